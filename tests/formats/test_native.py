"""convscope's own format: read as it is, refused when it is not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import convscope
from convscope.errors import ConvscopeError, NetworkFileError
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text


def step(kind: str, name: str, /, *inputs: str, output: str = "", **attributes: Any) -> dict[str, Any]:
    parameters = (
        {role: f"{name}.{role}" for role in ("weight", "bias")} if kind in ("convolution", "dense") else {}
    )
    made = {
        "kind": kind,
        "name": name,
        "type_name": kind.title(),
        "inputs": inputs,
        "outputs": [output or name],
    }
    return made | {"parameters": parameters, "attributes": attributes, "in_place": kind == "relu"}


OPERATIONS = [
    step("convolution", "conv1", "input", output="conv1@conv1", stride=2, padding=1),
    step("relu", "relu1", "conv1@conv1", output="conv1"),
    step("global_average_pool", "pool", "conv1"),
    step("dense", "head", "pool"),
    step("softmax", "prob", "head"),
]
INPUT = {"size": [8, 8], "channel_order": "RGB", "mean": [0.5, 0.4, 0.3], "input_scale": [4.0, 4.0, 2.0]}


def write(path: Path, **changes: Any) -> Path:
    random = torch.Generator().manual_seed(0)
    shapes = {"conv1.weight": (4, 3, 3, 3), "conv1.bias": (4,), "head.weight": (2, 4), "head.bias": (2,)}
    weights = {key: torch.randn(shape, generator=random).half() for key, shape in shapes.items()}
    metadata = {"name": "tiny", "operations": OPERATIONS, "labels": ["cat", "dog"], "input": INPUT} | changes
    save_file(weights, path, {key: json.dumps(value) for key, value in metadata.items() if value is not None})
    return path


def test_it_computes_what_it_says(tmp_path: Path) -> None:
    network = convscope.open_network(write(tmp_path / "tiny.convscope"))
    assert (network.name, network.labels) == ("tiny", ("cat", "dog"))
    assert network.layers["conv1"].steps == ("Convolution", "Relu")
    assert list(network.layers) == ["input", "conv1", "pool", "head", "prob"]
    picture = torch.rand(8, 8, 3).numpy()
    p = network.parameters
    x = (torch.from_numpy(picture) - torch.tensor(INPUT["mean"])) * torch.tensor(INPUT["input_scale"])
    conv = torch.nn.functional.conv2d(
        x.permute(2, 0, 1)[None], p["conv1.weight"], p["conv1.bias"], 2, 1
    ).relu()
    expected = (conv.mean((2, 3)) @ p["head.weight"].T + p["head.bias"]).softmax(1)[0]
    assert {
        label: pytest.approx(value, rel=1e-5)
        for label, value in zip(["cat", "dog"], expected.tolist(), strict=True)
    } == dict(network.predict(picture))
    assert p["conv1.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"operations": None}, r"holds weights \(4 tensors: .*\) and no network: nothing in it says"),
        ({"operations": [*OPERATIONS, step("shell", "rm", "prob")]}, "no operation is called 'shell'"),
        ({"operations": [step("convolution", "conv9", "input")]}, "conv9.bias"),
        ({"operations": OPERATIONS[1:]}, "describes its network wrongly|input"),
        ({"operations": [{"kind": "relu"}]}, "describes its network wrongly"),
        (
            {"operations": [step("convolution", "conv1", "input", strid=2)]},
            "unexpected keyword argument 'strid'",
        ),
        ({"operations": [step("prelu", "p", "input")]}, "missing a required .*'weight'"),
        ({"input": {"size": [8, 8], "colour": "RGB"}}, "input has no 'channel_order'"),
        ({"input": []}, "describes its network wrongly"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConvscopeError, match=says):
        network = convscope.open_network(write(tmp_path / "tiny.convscope", **changes))
        network.activations(torch.rand(1, 3, 8, 8))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_an_error_of_ours(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = write(tmp_path_factory.mktemp("damaged") / "tiny.convscope")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2, 7, 0]))])
    try:
        network = convscope.open_network(path)
        network.activations(torch.rand(1, 3, 8, 8))
    except ConvscopeError as error:
        assert "\n" not in str(error)


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match="'builtin' is always there"):
        convscope.open_network(tmp_path / "none.convscope")


@pytest.mark.parametrize("name", ["builtin", "caffe/squeezenet_v1.1", "caffe/old_formats/lenet.prototxt"])
def test_what_is_saved_opens_the_same(shared_data: Path, tmp_path: Path, name: str) -> None:
    network = convscope.open_network(name if name == "builtin" else shared_data / name)
    assert network.input_spec is not None
    channels, size = network.input_spec.channels, network.input_spec.size
    mean = np.random.default_rng(0).random((channels, *size), np.float32)
    network = replace(
        network, input_spec=network.input_spec.replace(mean=mean, resize="direct", resize_size=None)
    )
    again = convscope.open_network(network.save(tmp_path / "saved.convscope"))
    assert (again.name, again.labels, list(again.layers)) == (
        network.name,
        network.labels,
        list(network.layers),
    )
    assert [layer.steps for layer in again.layers.values()] == [
        layer.steps for layer in network.layers.values()
    ]
    assert again.graph.aliases == dict(network.graph.aliases) and again.graph.outputs == network.graph.outputs
    x = network.preprocess("coffee")
    assert torch.equal(again.preprocess("coffee"), x)
    expected = network.activations(x)
    assert all(torch.equal(value, expected[key]) for key, value in again.activations(x).items())


def test_a_network_without_pictures_is_saved_too(tmp_path: Path) -> None:
    text = """
    layer { name: "d" type: "Input" top: "a" top: "b" input_param { shape { dim: 2 dim: 5 } } }
    layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
    """
    network = convscope.Network(build_graph(read_text(text)), input_spec=None)
    again = convscope.open_network(network.save(tmp_path / "sum.convscope"))
    found = again.activations({"a": torch.ones(2, 5), "b": torch.ones(2, 5)}, "sum")["sum"]
    assert again.input_spec is None and torch.equal(found, torch.full((2, 5), 2.0))


def test_the_same_network_is_the_same_bytes(tmp_path: Path) -> None:
    network = convscope.open_network("builtin")
    saved = {network.save(tmp_path / f"{index}.convscope").read_bytes() for index in range(6)}
    assert len(saved) == 1
    again = convscope.open_network(tmp_path / "0.convscope").save(tmp_path / "again.convscope")
    assert len(again.read_bytes()) == len(saved.pop())
    assert convscope.open_network(again).sha256 == network.sha256


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"outputs": ["nowhere"]}, "names a value 'nowhere', which nothing makes"),
        ({"outputs": [["prob"]]}, r"outputs\[0\] is \[\"prob\"\], not a text"),
        ({"aliases": False}, "aliases is false, not an object"),
        ({"inputs": {"input": [1, 3, 1e400, 8]}}, r"inputs\.input\[2\] is Infinity, not a whole number"),
        ({"labels": [1, 2]}, r"labels\[0\] is 1, not a text"),
        ({"channels_last": "no"}, 'channels_last is "no", not true or false'),
        ({"operations": {}}, "operations is {}, not a list"),
    ],
)
def test_json_of_other_types_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConvscopeError, match=says) as caught:
        convscope.open_network(write(tmp_path / "tiny.convscope", **changes))
    assert "tiny.convscope" in str(caught.value)


def test_attributes_that_an_operation_cannot_take_are_told_at_opening(tmp_path: Path) -> None:
    wrong = [
        {**OPERATIONS[0], "attributes": {**OPERATIONS[0]["attributes"], "stride": [2, 2, 2]}},
        *OPERATIONS[1:],
    ]
    with pytest.raises(ConvscopeError, match="stride is given for 3 axes"):
        convscope.open_network(write(tmp_path / "tiny.convscope", operations=wrong))


def test_files_open_whose_operations_were_called_otherwise(tmp_path: Path) -> None:
    whole = [["slice", None, None, None], 1]
    former = [
        step("of_size", "checked", "input", shape=[3, 8, 8]),
        step("sized", "flat", "checked", kind="reshape", attributes={"shape": ["$0.0", -1]}),
        step("numbers", "two", values=[2.0]),
        step("raise_to", "squared", "flat", "two"),
        step("written", "replaced", "checked", part=7, kind="subscript", attributes={"items": whole}),
        {**step("stored", "weights", shape=[2, 2], order=[1, 0]), "parameters": {"value": "conv1.bias"}},
        *(step("numbers", name, values=[value]) for name, value in (("from", 1.0), ("to", 8.0), ("by", 3.0))),
        step("count_up", "counted", "from", "to", "by"),
    ]
    network = convscope.open_network(write(tmp_path / "former.convscope", operations=former, labels=None))
    kinds = {operation.kind for operation in network.graph.operations}
    assert kinds == {
        "assert_shape",
        "dynamic_shape",
        "tensor",
        "pow",
        "view_scatter",
        "initializer",
        "arange",
    }
    picture = torch.rand(1, 3, 8, 8)
    found = network.activations(picture, ["squared", "replaced", "weights", "counted"])
    torch.testing.assert_close(torch.as_tensor(found["squared"]), picture.reshape(1, -1) ** 2)
    replaced = picture.clone()
    replaced[:, 1] = 7
    assert np.array_equal(found["replaced"], replaced)
    assert np.array_equal(found["weights"], network.parameters["conv1.bias"].reshape(2, 2).T)
    assert np.array_equal(found["counted"], [1, 4, 7])


def test_a_network_of_no_operations_opens_again(tmp_path: Path) -> None:
    network = convscope.open_network(torch.nn.Identity(), input_shape=(1, 3, 5, 7))
    network.save(tmp_path / "nothing.convscope")
    again = convscope.open_network(tmp_path / "nothing.convscope")
    assert list(again.layers) == list(network.layers) == ["input"]
