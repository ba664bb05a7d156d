"""ONNX files from strangers: damaged, lying, reaching out of their folder; each has its sentence and no other error."""

import random
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from convscope import open_network
from convscope.errors import ConvscopeError, ConvscopeWarning, InputError, NetworkFileError, UnsupportedLayer

from .oracle import assert_agrees, model_of


def small(**changes):
    weight = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
        helper.make_node("Constant", [], ["shape"], value_ints=[0, -1]),
        helper.make_node("Reshape", ["a", "shape"], ["r"]),
        helper.make_node("Softmax", ["r"], ["y"]),
    ]
    return model_of(nodes, {"x": [1, 3, 8, 8]}, ["y"], {"w": weight}, **changes)


def written(model, path):
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
def test_every_cut_and_many_flipped_bytes_are_told(tmp_path) -> None:
    data = small().SerializeToString()
    cuts = [data[:length] for length in range(0, len(data), 7)]
    chance = random.Random(0)
    flipped = []
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        flipped.append(bytes(changed))
    opened = 0
    for damaged in [*cuts, *flipped]:
        path = tmp_path / "damaged.onnx"
        path.write_bytes(damaged)
        try:
            open_network(path)
            opened += 1
        except ConvscopeError as error:
            assert "\n" not in str(error)
    assert 0 < opened < len(cuts) + len(flipped)


def test_a_shape_that_no_machine_holds(tmp_path) -> None:
    model = small()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([2**40, 3, 3, 3])
    with pytest.raises(NetworkFileError, match="more than this machine holds"):
        open_network(written(model, tmp_path / "huge.onnx"))


def test_a_filled_constant_that_no_machine_holds(tmp_path) -> None:
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])]
    model = model_of(nodes, {"x": [1]}, ["y"], {"s": np.array([2**50], np.int64)})
    with pytest.raises(NetworkFileError, match="more than such a small file deserves"):
        open_network(written(model, tmp_path / "huge.onnx"))


def test_a_circle_and_a_value_made_twice(tmp_path) -> None:
    circle = [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    with pytest.raises(NetworkFileError, match="'b' reads 'a', which no node before it makes"):
        open_network(written(model_of(circle, {"x": [1]}, ["b"]), tmp_path / "circle.onnx"))
    twice = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Relu", ["y"], ["y"])]
    with pytest.raises(NetworkFileError, match="makes 'y', which is there already"):
        open_network(written(model_of(twice, {"x": [1]}, ["y"]), tmp_path / "twice.onnx"))


def test_nodes_in_another_order_than_they_are_computed(tmp_path) -> None:
    """Onnxruntime opens such files; what a branch reads from outside counts too."""
    inside = helper.make_graph(
        [helper.make_node("Neg", ["a"], ["n"])], "then", [], [helper.make_empty_tensor_value_info("n")]
    )
    model = small()
    model.graph.node.insert(
        0, helper.make_node("If", ["true"], ["y"], then_branch=inside, else_branch=inside)
    )
    model.graph.node[-1].output[0] = "s"
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
    late = [*reversed(model.graph.node[1:]), model.graph.node[0]]
    del model.graph.node[:]
    model.graph.node.extend(late[-1:] + late[:-1])
    network = assert_agrees(written(model, tmp_path / "late.onnx"))
    assert {"y", "a", "r"} <= {*network.graph.producers}


OPEN_SIZES = [
    ("MatMul", {"x": ["m", "k"], "z": ["k", "n"]}, ["x", "z"], {}, {"x": (1, 224), "z": (224, 224)}),
    ("MatMul", {"x": ["n", "n"], "z": ["n", "n"]}, ["x", "z"], {}, {"x": (224, 224), "z": (224, 224)}),
    ("Conv", {"x": ["None", "None", 8, 9]}, ["x", "w"], {"w": (2, 3, 3, 3), "group": 2}, {"x": (1, 6, 8, 9)}),
    ("Gemm", {"x": ["", ""]}, ["x", "w"], {"w": (5, 7), "transB": 1}, {"x": (1, 7)}),
    ("MatMul", {"x": ["b", "s", "h"]}, ["x", "w"], {"w": (7, 5)}, {"x": (1, 224, 7)}),
    ("LayerNormalization", {"x": ["b", 4, "h"]}, ["x", "w"], {"w": (6,)}, {"x": (1, 4, 6)}),
    ("Add", {"x": ["b", 2], "z": ["c", "b"]}, ["x", "z"], {}, {"x": (1, 2), "z": (1, 1)}),
    ("Relu", {"x": ["b", "c", "t", "h", "w"]}, ["x"], {}, {"x": (1, 3, 16, 112, 112)}),
    ("Relu", {"x": ["a", "b", "c", "d", "e", "f"]}, ["x"], {}, {"x": (1, 4, 4, 4, 4, 4)}),
]


@pytest.mark.parametrize(("kind", "stated", "read", "more", "expected"), OPEN_SIZES)
def test_sizes_that_are_open_get_what_their_names_and_the_weights_need(
    kind, stated, read, more, expected, tmp_path
) -> None:
    constants = {name: np.ones(shape, np.float32) for name, shape in more.items() if name == "w"}
    attributes = {name: value for name, value in more.items() if name != "w"}
    nodes = [
        helper.make_node("Identity", ["x"], ["i"]),
        helper.make_node(kind, ["i", *read[1:]], ["y"], **attributes),
    ]
    network = assert_agrees(written(model_of(nodes, stated, ["y"], constants), tmp_path / "open.onnx"))
    assert dict(network.graph.inputs) == expected


def test_channels_behind_a_transposition_are_what_the_weights_need(tmp_path) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["y"]),
    ]
    constants = {"w": np.ones((1, 12, 1, 1), np.float32)}
    model = model_of(nodes, {"x": ["n", "h", "w", "c"]}, ["y"], constants)
    network = assert_agrees(written(model, tmp_path / "last.onnx"))
    assert dict(network.graph.inputs) == {"x": (1, 224, 224, 12)}


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
def test_texts_in_a_file_cut_only_what_needs_them(tmp_path) -> None:
    model = small()
    model.graph.initializer.append(helper.make_tensor("names", TensorProto.STRING, [2], [b"cat", b"dog"]))
    said = helper.make_tensor("said", TensorProto.STRING, [1], [b"bird"])
    model.graph.node.append(helper.make_node("Constant", [], ["bird"], value=said))
    for name in ("names", "bird"):
        model.graph.node.append(helper.make_node("Gather", [name, "r"], [f"{name}_found"]))
        model.graph.output.append(helper.make_empty_tensor_value_info(f"{name}_found"))
    network = open_network(written(model, tmp_path / "texts.onnx"))
    assert {"names_found", "bird_found"} <= {*network.graph.cut}
    with pytest.raises(UnsupportedLayer, match="the tensor 'names' holds texts"):
        network.activations(torch.zeros(1, 3, 8, 8), "names_found")
    assert network.activations(torch.zeros(1, 3, 8, 8), "y")["y"].shape == (1, 72)


def external(location, length=216):
    model = small()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "8"), ("length", str(length))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return model


def test_weights_beside_the_file(tmp_path) -> None:
    (weight,) = (numpy_helper.to_array(tensor) for tensor in small().graph.initializer)
    (tmp_path / "weights.bin").write_bytes(b"8 bytes." + weight.tobytes())
    assert_agrees(written(external("weights.bin"), tmp_path / "net.onnx"))


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "", "a/../../weights.bin", "link.bin"])
def test_weights_outside_the_folder_are_not_read(location, tmp_path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(bytes(300))
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(NetworkFileError, match="outside the network's folder"):
        open_network(written(external(location), folder / "net.onnx"))


def test_weights_beside_that_are_missing_or_short(tmp_path) -> None:
    path = written(external("weights.bin"), tmp_path / "net.onnx")
    with pytest.raises(NetworkFileError, match="not beside the network"):
        open_network(path)
    (tmp_path / "weights.bin").write_bytes(bytes(100))
    with pytest.raises(NetworkFileError, match=r"bytes 8 to 224 .*which has 100"):
        open_network(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull"),
        (b"", "is empty"),
        (b"PK\x03\x04 and so on", "zip archive"),
    ],
)
def test_other_files_with_the_ending(data, message, tmp_path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(NetworkFileError, match=message):
        open_network(path)


def test_what_is_too_foreign_or_does_not_fit(tmp_path) -> None:
    model = small()
    model.graph.node[0].domain = "com.somebody"
    with pytest.raises(UnsupportedLayer, match=r"does not compute com\.somebody\.Conv"):
        open_network(written(model, tmp_path / "foreign.onnx"))
    with pytest.raises(InputError, match="1x3x8x8 in the file, which 1x4x8x8 does not fit"):
        open_network(written(small(), tmp_path / "net.onnx"), input_shape=(1, 4, 8, 8))


def test_half_precision_and_lists_of_numbers(tmp_path) -> None:
    model = small()
    weight = numpy_helper.to_array(model.graph.initializer[0])
    half = numpy_helper.from_array(weight.astype(np.float16), "h")
    listed = helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.reshape(-1))
    del model.graph.initializer[:]
    model.graph.initializer.extend([half, listed])
    model.graph.node.insert(0, helper.make_node("Cast", ["h"], ["full"], to=TensorProto.FLOAT))
    model.graph.node[1].input[1] = "full"
    network = assert_agrees(written(model, tmp_path / "half.onnx"))
    assert network.graph.parameters["full"].dtype.itemsize == 4
    model.graph.node[1].input[1] = "w"
    assert_agrees(written(model, tmp_path / "listed.onnx"))


@pytest.mark.parametrize("kind, name", [(TensorProto.FLOAT16, "float16"), (TensorProto.BFLOAT16, "bfloat16")])
def test_half_precision_is_said_where_something_is_computed_in_it(kind: int, name: str, tmp_path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["short"], to=kind), helper.make_node("Relu", ["short"], ["y"])]
    open_network(written(model_of(nodes, {"x": [1, 3, 8, 8]}, ["y"], {}), tmp_path / "rounded.onnx"))
    nodes[1] = helper.make_node("Sigmoid", ["short"], ["y"])
    with pytest.warns(ConvscopeWarning, match=f"it computes in {name}, convscope in single precision"):
        open_network(written(model_of(nodes, {"x": [1, 3, 8, 8]}, ["y"], {}), tmp_path / "short.onnx"))


def test_the_same_network_gets_the_same_guess_whoever_wrote_the_file(tmp_path: Path) -> None:
    """Its answer is told by what it is, not by the file's producer, nor by how many nodes come last."""
    specs = []
    for index, producer in enumerate(("pytorch", "onnx-caffe2", "")):
        tail = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("GlobalAveragePool", ["r"], ["p"])]
        tail += [
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("Gemm", ["f", "w"], ["y" if index < 2 else "s"]),
        ]
        tail += [] if index < 2 else [helper.make_node("Identity", ["s"], ["y"])]
        model = model_of(tail, {"x": [1, 3, 64, 64]}, ["y"], {"w": np.ones((3, 1000), np.float32)})
        model.producer_name = producer
        specs.append(open_network(written(model, tmp_path / f"{index}.onnx")).input_spec)
    assert len({spec.sha256 for spec in specs}) == 1
    assert len(specs[0].mean) == 3 and "guessed" in specs[0].note


def test_what_it_eats_is_told_or_said_to_be_a_guess(tmp_path) -> None:
    model = small()
    network = open_network(written(model, tmp_path / "net.onnx"))
    assert network.input_spec is not None
    assert "guess" in network.input_spec.describe()
    helper.set_model_props(
        model, {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"}
    )
    spec = open_network(written(model, tmp_path / "told.onnx")).input_spec
    assert (spec.channel_order, spec.raw_scale, spec.mean) == ("BGR", 255.0, ())
    nodes = [helper.make_node("Div", ["x", "by"], ["s"]), helper.make_node("Relu", ["s"], ["y"])]
    inside = model_of(nodes, {"x": [1, 3, 8, 8]}, ["y"], {"by": np.float32(255)})
    spec = open_network(written(inside, tmp_path / "inside.onnx")).input_spec
    assert (spec.raw_scale, spec.provenance["raw_scale"]) == (
        255.0,
        "divided by 255 inside the network",
    )
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=1), *small().graph.node]
    nodes[1].input[0] = "f"
    bytes_in = small()
    del bytes_in.graph.node[:]
    bytes_in.graph.node.extend(nodes)
    bytes_in.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    network = open_network(written(bytes_in, tmp_path / "bytes.onnx"))
    spec = network.input_spec
    assert (spec.raw_scale, spec.provenance["raw_scale"]) == (255.0, "the input's type, bytes")
    assert spec.note == (
        "how a picture becomes its input is guessed in part: RGB (--channel-order says it, "
        "channel_order= in Python)"
    )
    assert network.preprocess(np.full((8, 8, 3), 200, np.uint8)).unique().tolist() == [200.0]


def test_labels_in_the_metadata(tmp_path) -> None:
    model = small()
    classes = 72
    helper.set_model_props(model, {"names": repr({index: f"kind {index}" for index in range(classes)})})
    assert open_network(written(model, tmp_path / "net.onnx")).labels[:2] == ("kind 0", "kind 1")
    helper.set_model_props(model, {"names": "__import__('os').abort()"})
    assert open_network(written(model, tmp_path / "net.onnx")).labels is None


def test_a_file_of_many_weights_is_opened_once(tmp_path) -> None:
    count = 24
    weights = {f"w{index}": np.full((3, 3, 1, 1), index, np.float32) for index in range(count)}
    values = ["x", *(f"y{index}" for index in range(count))]
    nodes = [helper.make_node("Conv", [values[i], f"w{i}"], [values[i + 1]]) for i in range(count)]
    model = model_of(nodes, {"x": [1, 3, 8, 8]}, values[-1:], weights)
    for tensor in model.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=False)
    before = len(list(Path("/proc/self/fd").iterdir()))
    network = open_network(tmp_path / "net.onnx")
    assert len(network.parameters) == count
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 5


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile", "doubling"])
def test_a_few_bytes_do_not_fill_the_memory(kind, tmp_path) -> None:
    """One budget for all that a file makes of its own numbers: each by itself would be small enough."""
    constants = {"s": np.array([2**13, 2**13], np.int64), "o": np.ones((1, 1), np.float32)}
    if kind == "doubling":
        nodes = [helper.make_node("Concat", ["o", "o"], ["c0"], axis=0)]
        nodes += [helper.make_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(40)]
    else:
        inputs = ["s"] if kind == "ConstantOfShape" else ["o", "s"]
        nodes = [helper.make_node(kind, inputs, [f"c{index}"]) for index in range(41)]
    nodes.append(helper.make_node("Add", ["x", "c40"], ["y"]))
    path = written(model_of(nodes, {"x": [1, 1]}, ["y"], constants), tmp_path / "bomb.onnx")
    assert path.stat().st_size < 4000
    with pytest.raises(NetworkFileError, match="more than such a small file deserves"):
        open_network(path)
