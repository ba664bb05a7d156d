"""SavedModels and graphs with variables: functions in the place of their calls, numbers out of a checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf import text_format

import convscope
from convscope.errors import ConvscopeWarning, NetworkFileError
from graph_def_writer import GraphWriter
from protobuf_oracle import message_class
from tensorflow_graphs import convolution

X = torch.from_numpy(np.random.default_rng(5).uniform(-1, 1, (1, 9, 7, 3)).astype(np.float32))


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Return a block of LevelDB's: each key without what it shares with the one before, one restart at the front."""
    made, last = b"", b""
    for key, value in entries:
        shared = next(
            (at for at, pair in enumerate(zip(key, last, strict=False)) if pair[0] != pair[1]),
            min(len(key), len(last)),
        )
        made += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return made + bytes(4) + (1).to_bytes(4, "little")


def packed(block: bytes) -> bytes:
    """Pack a block as Snappy's description has it: what was there before, of any length, is copied, the rest stays."""
    made, at, pending = varint(len(block)), 0, b""

    def literal() -> bytes:
        size = max(len(pending) - 1, 0)
        head = bytes([size << 2]) if size < 60 else bytes([60 << 2, size]) if size < 256 else b""
        return (head or bytes([61 << 2]) + size.to_bytes(2, "little")) + pending if pending else b""

    while at < len(block):
        length = next((n for n in range(64, 3, -1) if 0 <= block.find(block[at : at + n]) < at), 0)
        length = min(length, len(block) - at)
        if length < 4:
            pending, at = pending + block[at : at + 1], at + 1
            continue
        back = at - block.find(block[at : at + length])
        near = length < 12 and back < 2048
        copy = bytes([1 | (length - 4) << 2 | back >> 8 << 5, back & 255])
        made += literal() + (copy if near else bytes([2 | (length - 1) << 2]) + back.to_bytes(2, "little"))
        pending, at = b"", at + length
    return made + literal()


def checkpoint(prefix: Path, tensors: dict[str, np.ndarray], *, pack: bool = False) -> Path:
    """Write a checkpoint of two blocks of entries, as the format's description has it."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    data, entries = (
        b"",
        [(b"", message_class("BundleHeader", "tensorflow")(num_shards=1).SerializeToString())],
    )
    for key, array in sorted(tensors.items()):
        entry = message_class("BundleEntry", "tensorflow")(dtype=1, offset=len(data), size=array.nbytes)
        for size in array.shape:
            entry.shape.dim.add(size=size)
        data += array.tobytes()
        entries.append((key.encode(), entry.SerializeToString()))
    table, handles = b"", []
    for part in (entries[:2], entries[2:]):
        made = packed(block(part)) if pack else block(part)
        handles.append((part[-1][0], varint(len(table)) + varint(len(made))))
        table += made + bytes([pack, 0, 0, 0, 0])
    end = packed(block(handles)) if pack else block(handles)
    footer = (varint(0) + varint(0) + varint(len(table)) + varint(len(end))).ljust(40, b"\0")
    index = table + end + bytes([pack, 0, 0, 0, 0]) + footer + bytes.fromhex("57fb808b247547db")
    Path(f"{prefix}.index").write_bytes(index)
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)
    return prefix


def function(graph: Any, name: str, inputs: list[str], returns: dict[str, str]) -> Any:
    made = graph.library.function.add()
    made.signature.name = name
    for argument in inputs:
        made.signature.input_arg.add(name=argument)
    for key, value in returns.items():
        made.signature.output_arg.add(name=key)
        made.ret.add(key=key, value=value)
    return made


def call(nodes: Any, name: str, called: str, *inputs: str, op: str = "StatefulPartitionedCall") -> None:
    node = nodes.add(name=name, op=op, input=inputs)
    node.attr.add(key="f").value.func.name = called


def served(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Write what Keras writes: the network in a function that another calls, and a third that restores variables."""
    random = np.random.default_rng(3)
    keys = {"layers/0/kernel": random.normal(size=(3, 3, 3, 4)), "layers/1/gamma": random.normal(1, 0.2, 4)}
    tensors = {key: array.astype(np.float32) for key, array in keys.items()}
    g = GraphWriter()
    g.placeholder("serving_default_picture", (-1, 9, 7, 3))
    for name in ("kernel", "gamma"):  # not in the order of their keys
        g.node("VarHandleOp", name, dtype="DT_FLOAT", T=None)
    g.node("Placeholder", "saver_filename", dtype="DT_STRING", shape=())
    for at, key in enumerate(sorted(tensors, reverse=True)):
        names = g.message.node.add(name=f"names_{at}", op="Const")
        names.attr.add(key="dtype").value.type = 7
        tensor = names.attr.add(key="value").value.tensor
        tensor.dtype = 7
        tensor.string_val.append(key.encode())
    nodes = g.message.node
    call(nodes, "Call_1", "outer", "serving_default_picture", "kernel", "gamma")
    call(nodes, "Restore_1", "restore", "saver_filename", "gamma", "kernel", "names_0", "names_1")
    outer = function(g.message, "outer", ["x", "w", "g"], {"out": "inside:output:1"})
    call(outer.node_def, "inside", "inner", "x", "w", "g", op="PartitionedCall")
    inner = function(
        g.message, "inner", ["x", "w", "g"], {"first": "conv:output:0", "second": "halves:output:1"}
    )
    writer = GraphWriter()
    writer.node("ReadVariableOp", "conv/read", "w", dtype="DT_FLOAT", T=None)
    writer.node("ReadVariableOp", "norm/read", "g", dtype="DT_FLOAT", T=None)
    writer.const("zero", np.zeros(4, np.float32))
    writer.const("one", np.ones(4, np.float32))
    writer.node("Conv2D", "conv", "x", "conv/read:value:0", strides=[1, 1, 1, 1], padding="SAME")
    writer.node(
        "FusedBatchNormV3", "norm", "conv:output:0", "norm/read:value:0", "zero:output:0", "zero:output:0",
        "one:output:0", epsilon=0.0, is_training=False,
    )  # fmt: skip
    writer.node("Relu", "relu", "norm:y:0")
    writer.const("axis", 3)
    writer.node("Split", "halves", "axis:output:0", "relu:activations:0", num_split=2)
    inner.node_def.extend(writer.message.node)
    restore = function(g.message, "restore", ["file", "a", "b", "names_a", "names_b"], {})
    body = GraphWriter()
    for variable in ("a", "b"):
        body.node("RestoreV2", f"from_{variable}", "file", f"names_{variable}", f"names_{variable}")
        body.node("Identity", f"read_{variable}", f"from_{variable}:tensors:0")
        body.node("AssignVariableOp", f"set_{variable}", variable, f"read_{variable}:output:0")
    restore.node_def.extend(body.message.node)
    model = message_class("SavedModel", "tensorflow")(saved_model_schema_version=1)
    meta = model.meta_graphs.add()
    meta.graph_def.CopyFrom(g.message)
    signature = meta.signature_def.add(key="serving_default")
    signature.value.outputs.add(key="out").value.name = "Call_1:0"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    (folder / "text.txt").write_text(text_format.MessageToString(model))
    checkpoint(folder / "variables" / "variables", tensors)
    return folder, tensors


def test_a_saved_model_opens_with_its_functions_and_its_variables(tmp_path: Path) -> None:
    folder, tensors = served(tmp_path / "model")
    network = convscope.open_network(folder)
    assert list(network.layers) == ["serving_default_picture", "conv", "norm", "relu", "halves:0", "halves:1"]
    kernel, gamma = (torch.from_numpy(tensors[key]) for key in ("layers/0/kernel", "layers/1/gamma"))
    maps = torch.nn.functional.conv2d(X.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), padding=1)
    expected = (maps * gamma[:, None, None]).relu()[:, 2:].permute(0, 2, 3, 1)
    found = network.activations(X, "halves:1")["halves:1"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    names = {file.name for file in network.origin.files}
    assert names == {"saved_model.pb", "variables.index", "variables.data-00000-of-00001"}


def test_a_saved_model_without_a_signature_says_so_and_what_to_do(tmp_path: Path) -> None:
    """As tf.saved_model.save writes a module of which it knows no inputs: functions, and nothing that calls them."""
    folder, _ = served(tmp_path / "model")
    model = message_class("SavedModel", "tensorflow").FromString((folder / "saved_model.pb").read_bytes())
    (meta,) = model.meta_graphs
    kept = [node for node in meta.graph_def.node if "picture" not in node.name and node.name != "Call_1"]
    del meta.graph_def.node[:], meta.signature_def[:]
    meta.graph_def.node.extend(kept)
    meta.graph_def.node.add(name="NoOp", op="NoOp")
    meta.signature_def.add(key="__saved_model_init_op").value.outputs.add(key="op").value.name = "NoOp"
    (folder / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(
        NetworkFileError, match=r"without a signature: .*tf\.saved_model\.save\(.*signatures="
    ):
        convscope.open_network(folder)


def test_the_graph_of_a_checkpoint_opens_with_it_and_without_its_training(tmp_path: Path) -> None:
    """Beside the checkpoint of its name, with what saves it and what trained it still in it."""
    g = GraphWriter()
    w = np.random.default_rng(3).normal(size=(3, 3, 3, 4)).astype(np.float32)
    x = g.placeholder("picture", (-1, 9, 7, 3))
    g.node("VariableV2", "w", dtype="DT_FLOAT", T=None)
    g.node("Conv2D", "conv", x, g.node("Identity", "w/read", "w"), strides=[1, 1, 1, 1], padding="SAME")
    g.node("Relu", "relu", "conv")
    slope = g.node("Conv2DBackpropFilter", "gradients/conv_grad", x, "w/read", "relu")
    g.node("ApplyGradientDescent", "step", "w", g.const("rate", np.float32(0.1)), slope)
    g.node("SaveV2", "save/SaveV2", "w", T=None)
    g.message.library.function.add().signature.name = (
        "unused"  # with it, a Caffe2 network has the same fields
    )
    meta = message_class("MetaGraphDef", "tensorflow")()
    meta.graph_def.CopyFrom(g.message)
    about = b"\x0a\x08\x2a\x061.15.0"  # meta_info_def: the version of TensorFlow
    prefix = checkpoint(tmp_path / "model.ckpt-7", {"w": w, "step": np.zeros(1, np.float32)})
    path = tmp_path / "model.ckpt-7.meta"
    path.write_bytes(about + meta.SerializeToString())
    network = convscope.open_network(path)
    assert list(network.layers) == ["picture", "conv", "relu"] and not network.graph.cut
    maps = torch.nn.functional.conv2d(
        X.permute(0, 3, 1, 2), torch.from_numpy(w).permute(3, 2, 0, 1), padding=1
    )
    torch.testing.assert_close(
        network.activations(X, "relu")["relu"], maps.relu().permute(0, 2, 3, 1), rtol=1e-5, atol=1e-5
    )
    Path(f"{prefix}.index").unlink()
    with pytest.raises(NetworkFileError, match="Give their checkpoint as its weights"):
        convscope.open_network(path)


def test_a_saved_model_as_text_is_the_same(tmp_path: Path) -> None:
    folder, _ = served(tmp_path / "model")
    expected = convscope.open_network(folder).activations(X, "halves:1")["halves:1"]
    (folder / "saved_model.pb").unlink()
    (folder / "text.txt").rename(folder / "saved_model.pbtxt")
    assert torch.equal(convscope.open_network(folder).activations(X, "halves:1")["halves:1"], expected)


def test_a_graph_as_text_is_the_same(tmp_path: Path) -> None:
    """Its weights are bytes in quotes, every kind of escape among them."""
    g = GraphWriter(seed=9)
    x = convolution(g, "conv", g.placeholder(shape=(1, 9, 7, 3)), 3, 8)
    g.node("BiasAdd", "out", x, g.const("bias", np.float32([0.5, -2, 3, 1e-9, 7, 0, 9, 0.1]), listed=True))
    expected = convscope.open_network(g.save(tmp_path / "a.pb")).activations(X, "out")["out"]
    text = tmp_path / "graph.pbtxt"
    text.write_text(text_format.MessageToString(g.message))
    assert torch.equal(convscope.open_network(text).activations(X, "out")["out"], expected)
    with pytest.warns(
        ConvscopeWarning, match=r"is a TensorFlow graph as text \(pbtxt\), whatever its name says"
    ):
        convscope.open_network(text.rename(tmp_path / "graph.prototxt"))
    other = tmp_path / "bad.pbtxt"
    other.write_text('node {\n  name: "a"\n  op: 7\n}\n')
    with pytest.raises(NetworkFileError, match=r"bad\.pbtxt, line 3: NodeDef.op expects text in quotes"):
        convscope.open_network(other)


def trained(folder: Path, *, pack: bool = False) -> tuple[Path, np.ndarray]:
    """Write a graph of TensorFlow 1 as text, with its saver, and its checkpoint under the variables' names."""
    g = GraphWriter()
    g.node("VariableV2", "w", dtype="DT_FLOAT", T=None)
    g.node("Conv2D", "out", g.placeholder(shape=(1, 9, 7, 3)), "w", strides=[1, 1, 1, 1], padding="VALID")
    g.node("Assign", "w/Assign", "w", g.node("TruncatedNormal", "w/initial", g.const("size", [2, 2, 3, 5])))
    folder.mkdir()
    (folder / "graph.pbtxt").write_text(text_format.MessageToString(g.message))
    kernel = np.random.default_rng(1).normal(size=(2, 2, 3, 5)).astype(np.float32)
    tensors = {"w": kernel, "w/Momentum": kernel * 2, "global_step": np.float32(7)}
    checkpoint(folder / "model.ckpt-7", tensors, pack=pack)
    return folder / "graph.pbtxt", kernel


@pytest.mark.parametrize(
    ("ending", "pack"), [("", False), (".index", False), (".data-00000-of-00001", False), ("", True)]
)
def test_a_graph_opens_with_its_checkpoint(ending: str, pack: bool, tmp_path: Path) -> None:
    graph, kernel = trained(tmp_path / "model", pack=pack)
    network = convscope.open_network(graph, weights=graph.with_name(f"model.ckpt-7{ending}"))
    weight = torch.from_numpy(kernel).permute(3, 2, 0, 1)
    expected = torch.nn.functional.conv2d(X.permute(0, 3, 1, 2), weight).permute(0, 2, 3, 1)
    torch.testing.assert_close(network.activations(X, "out")["out"], expected, rtol=1e-5, atol=1e-5)
    assert list(network.layers) == ["input", "out"]


def test_what_a_graph_lacks_is_said(tmp_path: Path) -> None:
    graph, _ = trained(tmp_path / "model")
    with pytest.raises(
        NetworkFileError, match=r"weights are kept apart.*Give their checkpoint as its weights"
    ):
        convscope.open_network(graph)
    index = graph.with_name("model.ckpt-7.index")
    whole = index.read_bytes()
    index.write_bytes(whole[:-3])
    with pytest.raises(NetworkFileError, match="is not the index of a TensorFlow checkpoint, or cut short"):
        convscope.open_network(graph, weights=index)
    index.write_bytes(whole)
    graph.with_name("model.ckpt-7.data-00000-of-00001").write_bytes(bytes(60))
    with pytest.raises(NetworkFileError, match="'w' lies beyond the end of its file"):
        convscope.open_network(graph, weights=index)


@pytest.mark.parametrize("pack", [False, True])
def test_any_damage_to_a_checkpoint_is_an_answer_or_an_error_of_ours(pack: bool, tmp_path: Path) -> None:
    graph, _ = trained(tmp_path / "model", pack=pack)
    index = graph.with_name("model.ckpt-7.index")
    whole = index.read_bytes()
    for position in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        index.write_bytes(damaged)
        try:
            convscope.open_network(graph, weights=index)
        except (convscope.ConvscopeError, ConvscopeWarning):
            continue


@pytest.mark.parametrize("worked_out", [False, True])
def test_a_branch_on_a_known_truth_is_followed(worked_out: bool, tmp_path: Path) -> None:
    """The other one is no output; neither where the truth is worked out of numbers that are known."""
    g = GraphWriter()
    x = g.placeholder(shape=(1, 9, 7, 3))
    truth = g.const("truth", np.asarray(False))
    if worked_out:
        chosen = g.node("SelectV2", "chosen", truth, g.const("three", 3), g.const("four", 4))
        truth = g.node("Equal", "equal", chosen, "three")
    branch = g.node("StatelessIf", "choice", truth, x)
    for name, op in (("yes", "Exp"), ("no", "Tanh")):
        g.message.node[-1].attr.add(
            key={"yes": "then_branch", "no": "else_branch"}[name]
        ).value.func.name = name
        body = function(g.message, name, ["x"], {"y": f"{op}:y:0"})
        body.node_def.add(name=op, op=op, input=["x"])
    g.node("Neg", "out", branch)
    network = convscope.open_network(g.save(tmp_path / "graph.pb"))
    torch.testing.assert_close(network.activations(X, "out")["out"], -X.tanh())
    assert list(network.graph.outputs) == ["out"]


def test_values_that_are_passed_on_together_are_looked_through(tmp_path: Path) -> None:
    """As Keras writes a swish, for its own gradient: the second value is not the first."""
    g = GraphWriter()
    x = g.placeholder(shape=(1, 9, 7, 3))
    g.node("IdentityN", "both", g.node("Sigmoid", "gate", x), g.node("Mul", "swish", x, "gate"), T=None)
    g.node("Neg", "out", "both:1")
    found = convscope.open_network(g.save(tmp_path / "graph.pb")).activations(X, "out")["out"]
    torch.testing.assert_close(found, -torch.nn.functional.silu(X))
