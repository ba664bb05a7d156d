"""Files of less than 5 MB that ask for far more: ``python tests/bombs.py FOLDER`` writes and opens them, one by one.

Each is opened in a process of its own, forked from one that has imported everything, and used: a network is run once,
a picture read. A line of JSON says what it took: {"name", "megabytes", "seconds", "said"}.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import signal
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from PIL import Image

from convscope import open_network
from convscope.errors import ConvscopeError
from convscope.network.network import Network
from convscope.pictures.decoding import picture_endings
from convscope.pictures.photograph import open_photograph
from graph_def_writer import GraphWriter
from plain_keras import input_layer, layer, sequential, write_h5

BOMBS: dict[str, Callable[[], bytes]] = {}
MEGABYTES = 500
SECONDS = 20.0


def bomb(name: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    def register(write: Callable[[], bytes]) -> Callable[[], bytes]:
        BOMBS[name] = write
        return write

    return register


def saved(write: Callable[[Path], Any]) -> bytes:
    """Return what a function that writes a file writes."""
    path = Path(os.environ["BOMBS"]) / "written"
    write(path)
    return path.read_bytes()


def zipped(*members: tuple[str, bytes], packed: bool = True) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members:
            archive.writestr(
                name, content, zipfile.ZIP_DEFLATED if packed or name.endswith(".py") else zipfile.ZIP_STORED
            )
    return stream.getvalue()


# Keras


def keras(config: bytes, weights: bytes = b"") -> bytes:
    return zipped(("config.json", config), ("metadata.json", b"{}"), ("model.weights.h5", weights))


BOMBS["json-of-objects.keras"] = lambda: keras(
    b'{"class_name":"a","config":[' + b"{}," * 20_000_000 + b"{}]}"
)
BOMBS["json-of-lists.keras"] = lambda: keras(b"[" * 900 + b"[],[]," * 9_000_000 + b"1" + b"]" * 900)
BOMBS["json-of-numbers.keras"] = lambda: keras(b"[" + b"1e5," * 15_000_000 + b"1]")
BOMBS["json-of-texts.keras"] = lambda: keras(b"[" + b'"a\\u1234b",' * 5_000_000 + b"1]")
BOMBS["deep.keras"] = lambda: keras(b'{"config":' * 500_000)
BOMBS["weights-of-zeros.keras"] = lambda: keras(b'{"class_name":"a"}', bytes(900_000_000))
BOMBS["metadata.keras"] = lambda: zipped(
    ("config.json", b"{}"), ("metadata.json", b"[" + b"{}," * 20_000_000 + b"{}]")
)
BOMBS["objects.json"] = lambda: b'{"class_name":"a","config":[' + b"{}," * 1_600_000 + b"{}]}"
BOMBS["deep.json"] = lambda: b'{"class_name":"a","config":' + b"[" * 4_000_000
BOMBS["digits.json"] = lambda: b'{"class_name":"a","config":' + b"9" * 4_500_000 + b"}"


def keras_layers(*layers: Any) -> bytes:
    return saved(lambda path: write_h5(path, sequential("m", [input_layer((32, 32, 3)), *layers]), {}))


BOMBS["many-filters.h5"] = lambda: keras_layers(layer("Conv2D", "c", filters=10**8, kernel_size=[3, 3]))
BOMBS["padding.h5"] = lambda: keras_layers(layer("ZeroPadding2D", "p", padding=[[10**6, 10**6]] * 2))
BOMBS["upsampling.h5"] = lambda: keras_layers(
    *(layer("UpSampling2D", f"u{i}", size=[8, 8]) for i in range(5))
)
BOMBS["repeat.h5"] = lambda: keras_layers(layer("Flatten", "f"), layer("RepeatVector", "r", n=10**8))
BOMBS["size.h5"] = lambda: saved(
    lambda path: write_h5(path, sequential("m", [input_layer((10**6, 10**6, 3)), layer("ReLU", "r")]), {})
)


def hdf5(shape: tuple[int, ...], fill: bool, **options: Any) -> bytes:
    description = sequential(
        "m", [input_layer((32, 32, 3)), layer("Conv2D", "c", filters=shape[-1], kernel_size=[3, 3])]
    )

    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(description)
            group = file.create_group("model_weights")
            group.attrs["layer_names"] = [b"c"]
            group = group.create_group("c")
            group.attrs["weight_names"] = [b"c/kernel:0"]
            made = group.create_dataset("c/kernel:0", shape, np.float32, **options)
            if fill:
                made[...] = 0

    return saved(write)


BOMBS["fill-value.h5"] = lambda: hdf5((3, 3, 3, 10**9), False, chunks=(3, 3, 3, 1000))
BOMBS["fill-value-one-chunk.h5"] = lambda: hdf5((3, 3, 3, 30_000_000), False, chunks=(3, 3, 3, 30_000_000))
BOMBS["packed.h5"] = lambda: hdf5((3, 3, 3, 8_000_000), True, compression="gzip", chunks=(3, 3, 3, 8_000_000))
BOMBS["packed-small.h5"] = lambda: hdf5(
    (3, 3, 3, 700_000), True, compression="gzip", chunks=(3, 3, 3, 700_000)
)


# PyTorch


class Pickle:
    """Writes a pickle op by op."""

    def __init__(self, *parts: bytes) -> None:
        self.data = b"\x80\x02" + b"".join(parts) + b"."


def checkpoint(content: bytes, *members: tuple[str, bytes], packed: bool = False) -> bytes:
    return zipped(
        ("a/data.pkl", content), ("a/byteorder", b"little"), *members, ("a/version", b"3\n"), packed=packed
    )


def persistent(name: str, size: int) -> bytes:
    return (
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"
        + name.encode()
        + b"X\x03\0\0\0cpu\x8a\x08"
        + struct.pack("<q", size)
        + b"tQ"
    )


def tensor(shape: tuple[int, ...], strides: tuple[int, ...], size: int) -> bytes:
    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", value) for value in values) + b"t"

    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + persistent("0", size)
        + b"K\0"
        + numbers(shape)
        + numbers(strides)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )


def named(what: bytes) -> bytes:
    return b"\x80\x02}X\x06\0\0\0weight" + what + b"s."


DOUBLED = b"\x80\x02]q\0" + b"".join(b"(h\0e" for _ in range(10)) + b"."
BOMBS["expanded.pth"] = lambda: checkpoint(
    named(tensor((10**5, 10**5), (0, 0), 1)), ("a/data/0", b"\0\0\0\0")
)
BOMBS["claims.pth"] = lambda: checkpoint(named(tensor((10**10,), (1,), 10**10)), ("a/data/0", b"\0\0\0\0"))
BOMBS["lists.pth"] = lambda: checkpoint(b"\x80\x02(" + b"]" * 4_800_000 + b"t.")
BOMBS["dictionaries.pth"] = lambda: checkpoint(b"\x80\x02(" + b"}" * 4_800_000 + b"t.")
BOMBS["sets.pth"] = lambda: checkpoint(b"\x80\x04(" + b"\x8f" * 4_800_000 + b"t.")
BOMBS["placeholders.pth"] = lambda: checkpoint(b"\x80\x02(cmodel\nNet\nq\0" + b"h\0)\x81" * 1_200_000 + b"t.")
BOMBS["classes.pth"] = lambda: checkpoint(b"\x80\x02(" + b"ca\nb\n" * 900_000 + b"t.")
BOMBS["duplicated.pth"] = lambda: checkpoint(
    b"\x80\x02X\xff\0\0\0" + b"a" * 255 + b"(" + b"2" * 4_000_000 + b"t."
)
BOMBS["long-numbers.pth"] = lambda: checkpoint(b"\x80\x02I" + b"9" * 4_500_000 + b"\n.")
BOMBS["bytearray.pth"] = lambda: checkpoint(b"\x80\x05\x96" + struct.pack("<Q", 2**34) + b"a.")
BOMBS["builtin-list-of-bytes.pth"] = lambda: checkpoint(
    b"\x80\x03B"
    + struct.pack("<I", 4_500_000)
    + b"a" * 4_500_000
    + b"q\0"
    + b"".join(b"c__builtin__\nlist\nh\0\x85R" for _ in range(200))
    + b"\x85."
)
BOMBS["packed.pth"] = lambda: checkpoint(b"\x80\x02N.", ("a/data/0", bytes(900_000_000)), packed=True)
BOMBS["old-lists.pth"] = lambda: (
    pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    + pickle.dumps(1001, 2)
    + pickle.dumps({}, 2)
    + b"\x80\x02("
    + b"]" * 4_800_000
    + b"t."
)
BOMBS["old-storage.pth"] = lambda: (
    pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    + pickle.dumps(1001, 2)
    + pickle.dumps(
        {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, 2
    )
    + b"\x80\x02}X\x06\0\0\0weight"
    + tensor((10**9,), (1,), 10**9).replace(b"cpu\x8a\x08", b"cpu\x8a\x08").replace(b"tQ", b"NtQ")
    + b"s."
    + pickle.dumps(["0"], 2)
    + struct.pack("<q", 10**9)
)
BOMBS["encoded.pkl"] = lambda: (
    b"\x80\x02c_codecs\nencode\nq\x01X"
    + struct.pack("<I", 4_000_000)
    + b"a" * 4_000_000
    + b"X\x06\0\0\0latin1\x86q\x02("
    + b"h\x01h\x02R" * 100_000
    + b"t."
)
BOMBS["unread.pkl"] = lambda: named(
    b"ctorch._utils\n_rebuild_tensor_v2\n(ctorch.storage\n_load_from_bytes\n"
    + (lambda inner: b"B" + struct.pack("<I", len(inner)) + inner)(
        pickle.dumps(0x1950A86A20F9469CFC6C, 2)
        + pickle.dumps(1001, 2)
        + pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)
        + b"\x80\x02"
        + persistent("0", 10**9).replace(b"tQ", b"NtQ")
        + b"."
        + pickle.dumps([], 2)
    )
    + b"\x85RK\0\x8a\x04\0\xca\x9a;\x85K\x01\x85\x89}tR"
)


def program(graph: Any) -> bytes:
    return zipped(
        ("p/models/model.json", graph if isinstance(graph, bytes) else json.dumps(graph).encode()),
        ("p/data/weights/model_weights_config.json", b'{"config": {}}'),
        ("p/data/constants/model_constants_config.json", b'{"config": {}}'),
        ("p/version", b"1"),
        packed=False,
    )


def exported(target: str, *arguments: Any) -> bytes:
    class Net(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.repeat(1, 1, 2, 2) if target == "repeat" else torch.nn.functional.pad(x, (3, 3, 3, 3))

    program = torch.export.export(Net(), (torch.zeros(1, 3, 32, 32),))
    stream = io.BytesIO()
    torch.export.save(program, stream)
    result = io.BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(result, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith("models/model.json"):
                content = content.replace(b'"as_ints": [1, 1, 2, 2]', b'"as_ints": [1, 1, 20000, 20000]')
                content = content.replace(
                    b'"as_ints": [3, 3, 3, 3]', b'"as_ints": [30000, 30000, 30000, 30000]'
                )
            new.writestr(info.filename, content)
    return result.getvalue()


def script() -> bytes:
    """One storage of 4 MB that thousands of tensors share."""
    made = b"c__torch__\nNet\n)\x81}("
    one = tensor((10**6,), (1,), 10**6)
    for index in range(3000):
        made += b"X\x05\0\0\0" + f"{index:05}".encode() + one
    content = b"\x80\x02" + made + b"ub."
    return zipped(
        ("a/data.pkl", content),
        ("a/constants.pkl", b"\x80\x02)."),
        ("a/code/c.py", b""),
        ("a/data/0", bytes(4 * 10**6)),
        ("a/version", b"3"),
        packed=False,
    )


BOMBS["shared.pt"] = script
BOMBS["objects.pt2"] = lambda: program(b'{"graph_module":[' + b"{}," * 1_600_000 + b"{}]}")
BOMBS["deep.pt2"] = lambda: program(b'{"graph_module":' + b"[" * 4_000_000)
BOMBS["repeated.pt2"] = lambda: exported("repeat")
BOMBS["padded.pt2"] = lambda: exported("pad")


# safetensors and convscope's own


def tensors(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def own(operations: Any, size: int = 32, **tensors_: Any) -> bytes:
    text = {
        "name": "m",
        "operations": operations,
        "labels": None,
        "input": {"size": [size, size], "channel_order": "RGB", "mean": 0.0, "input_scale": 1.0},
    }
    return tensors(
        json.dumps({"__metadata__": {key: json.dumps(value) for key, value in text.items()}}).encode()
    )


def step(kind: str, read: str, made: str, **attributes: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": made,
        "type_name": kind,
        "inputs": [read],
        "outputs": [made],
        "parameters": {},
        "attributes": attributes,
    }


BOMBS["header.safetensors"] = lambda: tensors(b'{"a":[' + b"{}," * 1_600_000 + b"{}]}")
BOMBS["many.safetensors"] = lambda: tensors(
    (
        "{"
        + ",".join(f'"{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(70_000))
        + "}"
    ).encode()
)
BOMBS["metadata.convscope"] = lambda: tensors(
    json.dumps({"__metadata__": {"operations": "[" + "{}," * 1_500_000 + "{}]", "input": "null"}}).encode()
)
BOMBS["padded.convscope"] = lambda: own([step("pad", "data", "p", pads=[20000] * 4)])
BOMBS["upsampled.convscope"] = lambda: own([step("resize", "data", "p", size=[30000, 30000])])
BOMBS["large-input.convscope"] = lambda: own([step("relu", "data", "p")], size=30000)


# ONNX


def model(nodes: list[Any], *, shape: tuple[int, ...] = (1, 3, 32, 32), initializers: Any = ()) -> bytes:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        list(initializers),
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def ints(name: str, values: Any) -> Any:
    return onnx.numpy_helper.from_array(np.asarray(values, np.int64), name)


node = helper.make_node
BOMBS["filled.onnx"] = lambda: model(
    [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])],
    initializers=[ints("s", [30000, 30000])],
)
BOMBS["expanded.onnx"] = lambda: model(
    [node("Expand", ["x", "s"], ["y"])], initializers=[ints("s", [9000, 3, 320, 32])]
)
BOMBS["tiled.onnx"] = lambda: model(
    [node("Tile", ["x", "s"], ["y"])], initializers=[ints("s", [1, 1, 3000, 3000])]
)
BOMBS["padded.onnx"] = lambda: model(
    [node("Pad", ["x", "s"], ["y"])], initializers=[ints("s", [0, 0, 20000, 20000, 0, 0, 20000, 20000])]
)
BOMBS["resized.onnx"] = lambda: model(
    [node("Resize", ["x", "", "", "s"], ["y"])], initializers=[ints("s", [1, 3, 30000, 30000])]
)
BOMBS["doubled.onnx"] = lambda: model(
    [node("Concat", [f"v{i}" if i else "x"] * 2, [f"v{i + 1}" if i < 19 else "y"], axis=1) for i in range(20)]
)
BOMBS["outer.onnx"] = lambda: model(
    [
        node("Reshape", ["x", "a"], ["p"]),
        node("Reshape", ["x", "b"], ["q"]),
        node("MatMul", ["p", "q"], ["m"]),
        node("Reshape", ["m", "a"], ["p2"]),
        node("Add", ["p2", "q"], ["y"]),
    ],
    shape=(1, 3, 128, 128),
    initializers=[ints("a", [-1, 1]), ints("b", [1, -1])],
)
BOMBS["range.onnx"] = lambda: model(
    [
        node("Range", ["a", "b", "c"], ["r"]),
        node("Cast", ["r"], ["f"], to=1),
        node("Flatten", ["x"], ["z"]),
        node("ReduceSum", ["f"], ["t"]),
        node("Add", ["x", "t"], ["y"]),
    ],
    initializers=[ints("a", 0), ints("b", 10**9), ints("c", 1)],
)
BOMBS["onehot.onnx"] = lambda: model(
    [node("Cast", ["x"], ["i"], to=7), node("OneHot", ["i", "d", "v"], ["y"])],
    initializers=[ints("d", 10**7), onnx.numpy_helper.from_array(np.asarray([0, 1], np.float32), "v")],
)
BOMBS["large-input.onnx"] = lambda: model([node("Relu", ["x"], ["y"])], shape=(1, 3, 30000, 30000))
BOMBS["huge-batch.onnx"] = lambda: model([node("Relu", ["x"], ["y"])], shape=(100_000, 3, 224, 224))
BOMBS["many-nodes.onnx"] = lambda: model(
    [node("Relu", [f"{i}" if i else "x"], [f"{i + 1}" if i < 119_999 else "y"]) for i in range(120_000)]
)
BOMBS["floats.onnx"] = lambda: model(
    [node("Relu", ["x"], ["y"])], initializers=[helper.make_tensor("w", 6, (10**6,), [1] * 10**6)]
)
BOMBS["empty-messages.onnx"] = lambda: b"\x08\x08" + b":\x00" * 2_400_000
BOMBS["empty-attributes.onnx"] = lambda: model([node("Constant", [], ["y"], value_floats=[1.0] * 1_200_000)])
BOMBS["empty-strings.onnx"] = lambda: b"\x08\x08:" + b"\x80\x88\xa0\x02" + (b"\x0a\x00" * 2_359_296)


# TensorFlow


def tensorflow(build: Callable[[GraphWriter], Any]) -> bytes:
    writer = GraphWriter()
    build(writer)
    return saved(writer.save)


def filled(g: GraphWriter, sizes: list[int]) -> None:
    g.placeholder("x", (1, 32, 32, 3))
    g.node("Fill", "f", g.const("s", sizes), g.const("v", 1.0), index_type="DT_INT32")
    g.node("Add", "y", "x", g.node("Sum", "t", "f", g.const("a", list(range(len(sizes)))), Tidx="DT_INT32"))


def doubled(g: GraphWriter) -> None:
    last = g.const("c", np.zeros(1000, np.float32))
    for i in range(24):
        last = g.node("ConcatV2", f"d{i}", last, last, g.const(f"a{i}", 0), N=2, Tidx="DT_INT32")
    g.node(
        "Add",
        "y",
        g.placeholder("x", (1, 32, 32, 3)),
        g.node("Sum", "t", last, g.const("a", [0]), Tidx="DT_INT32"),
    )


def chain(g: GraphWriter) -> None:
    """Many results of a moderate size, each kept."""
    last = g.const("c", np.zeros((1, 1_000_000), np.float32)[:, :1000])
    last = g.node("Tile", "t", last, g.const("m", [1, 20_000]), Tmultiples="DT_INT32")
    for i in range(40):
        last = g.node("Neg", f"n{i}", last)
    g.node(
        "Add",
        "y",
        g.placeholder("x", (1, 32, 32, 3)),
        g.node("Sum", "s", last, g.const("a", [0, 1]), Tidx="DT_INT32"),
    )


def constant(g: GraphWriter, sizes: tuple[int, ...]) -> None:
    """One number that says it is many."""
    name = g.const("c", np.zeros(1, np.float32), listed=True)
    shape = g.message.node[-1].attr[1].value.tensor.tensor_shape
    del shape.dim[:]
    for size in sizes:
        shape.dim.add(size=size)
    g.node("Conv2D", "y", g.placeholder("x", (1, 32, 32, 3)), name, strides=[1, 1, 1, 1], padding="SAME")


def written(op: str, values: Any, **attributes: Any) -> Callable[[GraphWriter], None]:
    def build(g: GraphWriter) -> None:
        g.node(op, "y", g.placeholder("x", (1, 32, 32, 3)), g.const("v", values), **attributes)

    return build


BOMBS["filled.pb"] = lambda: tensorflow(lambda g: filled(g, [30000, 30000]))
BOMBS["filled-less.pb"] = lambda: tensorflow(lambda g: filled(g, [16000, 16000]))
BOMBS["doubled.pb"] = lambda: tensorflow(doubled)
BOMBS["chain.pb"] = lambda: tensorflow(chain)
BOMBS["constant.pb"] = lambda: tensorflow(lambda g: constant(g, (3, 3, 3, 10**9)))
BOMBS["constant-less.pb"] = lambda: tensorflow(lambda g: constant(g, (3, 3, 3, 9 * 10**6)))


def repeated(g: GraphWriter) -> None:
    """Two numbers, the last of which fills the rest."""
    constant(g, (3, 3, 3, 9 * 10**6))
    g.message.node[-2].attr[1].value.tensor.float_val.append(1.0)


BOMBS["repeated.pb"] = lambda: tensorflow(repeated)
BOMBS["tiled.pb"] = lambda: tensorflow(written("Tile", [1, 3000, 3000, 1], Tmultiples="DT_INT32"))
BOMBS["padded.pb"] = lambda: tensorflow(
    written("Pad", [[0, 0], [20000, 20000], [20000, 20000], [0, 0]], Tpaddings="DT_INT32")
)
BOMBS["resized.pb"] = lambda: tensorflow(written("ResizeBilinear", [30000, 30000]))
BOMBS["large-input.pb"] = lambda: tensorflow(
    lambda g: g.node("Relu", "y", g.placeholder("x", (1, 30000, 30000, 3)))
)
BOMBS["nodes.pb"] = lambda: b"\x0a\x00" * 2_400_000
BOMBS["attributes.pb"] = lambda: b"\x0a\x80\x80\x80\x02" + b"\x2a\x00" * 2_097_152
# Caffe

INPUT = 'name: "n" input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 32 }\n'


def caffe(layers: str, start: str = INPUT) -> bytes:
    return (start + layers).encode()


def caffe_layer(name: str, kind: str, fields: str, bottom: str = "data") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {fields} }}\n'


BOMBS["many-outputs.prototxt"] = lambda: caffe(
    caffe_layer("c", "Convolution", "convolution_param { num_output: 100000000 kernel_size: 3 }")
)
BOMBS["many-products.prototxt"] = lambda: caffe(
    caffe_layer("c", "InnerProduct", "inner_product_param { num_output: 10000000 }")
)
BOMBS["large-kernel.prototxt"] = lambda: caffe(
    caffe_layer("c", "Convolution", "convolution_param { num_output: 1 kernel_size: 30000 pad: 30000 }")
)
BOMBS["pad.prototxt"] = lambda: caffe(
    caffe_layer("c", "Convolution", "convolution_param { num_output: 1 kernel_size: 3 pad: 30000 }")
)
BOMBS["deconvolution.prototxt"] = lambda: caffe(
    caffe_layer("c", "Deconvolution", "convolution_param { num_output: 3 kernel_size: 3 stride: 1000 }")
)
BOMBS["reshape.prototxt"] = lambda: caffe(
    caffe_layer("c", "Reshape", "reshape_param { shape { dim: 100000 dim: 100000 } }")
)
BOMBS["tile.prototxt"] = lambda: caffe(caffe_layer("c", "Tile", "tile_param { axis: 2 tiles: 1000000 }"))
BOMBS["embed.prototxt"] = lambda: caffe(
    caffe_layer("c", "Embed", "embed_param { input_dim: 100000000 num_output: 100 }")
)
BOMBS["large-input.prototxt"] = lambda: caffe(caffe_layer("c", "ReLU", ""), INPUT.replace("32", "30000"))
BOMBS["fields.prototxt"] = lambda: b'name: "n" ' + b"layer{}" * 650_000
BOMBS["deep.prototxt"] = lambda: b"layer{" * 750_000
BOMBS["upsample.prototxt"] = lambda: caffe(caffe_layer("c", "Upsample", "upsample_param { scale: 1000 }"))
BOMBS["interp.prototxt"] = lambda: caffe(
    caffe_layer("c", "Interp", "interp_param { height: 30000 width: 30000 }")
)
BOMBS["slices.prototxt"] = lambda: caffe(
    'layer { name: "s" type: "Split" bottom: "data" ' + "".join(f'top: "t{i}" ' for i in range(100_000)) + "}"
)
BOMBS["fields.caffemodel"] = lambda: b"\x0a\x01n" + b"\xa2\x06\x00" * 1_600_000


# Pictures


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, colors: int, channels: int, *more: bytes) -> bytes:
    row = bytes(1 + (width * bits * channels + 7) // 8)
    pack = zlib.compressobj(9)
    data = b"".join(pack.compress(row) for _ in range(height)) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colors, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(more)
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


BOMBS["bits.png"] = lambda: png(8192, 8192, 1, 0, 1)
BOMBS["gray.png"] = lambda: png(8192, 8192, 8, 0, 1)
BOMBS["palette.png"] = lambda: png(
    8192, 8192, 8, 3, 1, chunk(b"PLTE", bytes(768)), chunk(b"tRNS", bytes(256))
)
BOMBS["rgb.png"] = lambda: png(8100, 8100, 8, 2, 3)
BOMBS["rgba.png"] = lambda: png(7000, 7000, 8, 6, 4)
BOMBS["sixteen-gray.png"] = lambda: png(8192, 8192, 16, 0, 1)
BOMBS["sixteen-rgba.png"] = lambda: png(4096, 4000, 16, 6, 4)
BOMBS["sixteen-rgb.png"] = lambda: png(8000, 8000, 16, 2, 3)
BOMBS["text.png"] = lambda: png(
    8, 8, 8, 2, 3, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000_000), 9))
)
BOMBS["profile.png"] = lambda: png(
    8, 8, 8, 2, 3, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(900_000_000), 9))
)
BOMBS["many-texts.png"] = lambda: png(
    8, 8, 8, 2, 3, *(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 9)) for _ in range(2000))
)
BOMBS["exif.png"] = lambda: png(
    8,
    8,
    8,
    2,
    3,
    chunk(
        b"eXIf", b"MM\0*\0\0\0\x08" + struct.pack(">H", 65535) + struct.pack(">HHII", 0x8769, 4, 1, 8) * 65535
    ),
)


def pillow(form: str, size: tuple[int, int], mode: str = "RGB", frames: int = 1, **options: Any) -> bytes:
    stream = io.BytesIO()
    image = Image.new(mode, size)
    others = [Image.new(mode, size, 1 + i) for i in range(frames - 1)]
    if others:
        options |= {"save_all": True, "append_images": others}
    image.save(stream, form, **options)
    return stream.getvalue()


BOMBS["large.gif"] = lambda: pillow("GIF", (8192, 8192), "P")
BOMBS["large.webp"] = lambda: pillow("WEBP", (8192, 8192), lossless=True, method=0)
BOMBS["large.jpg"] = lambda: pillow("JPEG", (8192, 8192), quality=1)
BOMBS["large.tif"] = lambda: pillow("TIFF", (8192, 8192), compression="tiff_lzw")
BOMBS["float.tif"] = lambda: pillow("TIFF", (7000, 7000), "F", compression="tiff_deflate")
BOMBS["large.bmp"] = lambda: bmp(8192, 8192)
BOMBS["large.jp2"] = lambda: pillow("JPEG2000", (6000, 6000))
BOMBS["large.avif"] = lambda: pillow("AVIF", (6000, 6000), quality=1, speed=10)
BOMBS["frames.webp"] = lambda: pillow("WEBP", (2000, 2000), frames=20, lossless=True, method=0)


@bomb("frames.gif")
def frames() -> bytes:
    one = pillow("GIF", (1, 1), "P")
    start = one.index(b",")
    return one[:6] + struct.pack("<HH", 4000, 4000) + one[10:start] + one[start:-1] * 100_000 + b";"


@bomb("frames.png")
def apng() -> bytes:
    control = [chunk(b"fcTL", struct.pack(">IIIIIHHBB", i, 1, 1, 0, 0, 1, 1, 0, 0)) for i in range(40_000)]
    return png(1, 1, 8, 2, 3, chunk(b"acTL", struct.pack(">II", 50_000, 0)), *control)


@bomb("pages.tif")
def pages() -> bytes:
    header, entries = b"II*\0\x08\0\0\0", []
    at = 8
    for i in range(50_000):
        tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (279, 1)]
        body = struct.pack("<H", len(tags)) + b"".join(
            struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags
        )
        at += len(body) + 4
        entries.append(body + struct.pack("<I", at if i < 49_999 else 0))
    return header + b"".join(entries)


@bomb("bands.tif")
def bands() -> bytes:
    """One strip that says it has many samples a pixel."""
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        np.zeros((2000, 2000, 60), np.uint8),
        compression="zlib",
        photometric="minisblack",
        planarconfig="contig",
    )
    return stream.getvalue()


def bmp(width: int, height: int) -> bytes:
    """Run-length coded: a line takes 66 bytes."""
    data = (b"\xff\0" * 32 + b"\x20\0" + b"\0\0") * height + b"\0\1"
    return (
        b"BM"
        + struct.pack("<IHHI", 54 + 1024 + len(data), 0, 0, 54 + 1024)
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(data), 0, 0, 256, 0)
        + bytes(1024)
        + data
    )


BOMBS["packed.npy"] = lambda: (
    b"\x93NUMPY\x01\0"
    + b"v\0"
    + b"{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 100000, 3), }".ljust(117)
    + b"\n"
    + bytes(100)
)
BOMBS["packed.npz"] = lambda: zipped(
    (
        "a.npy",
        b"\x93NUMPY\x01\0"
        + b"v\0"
        + b"{'descr': '|u1', 'fortran_order': False, 'shape': (20000, 15000, 3), }".ljust(117)
        + b"\n"
        + bytes(900_000_000),
    )
)
BOMBS["drawing.svg"] = lambda: b"<svg><!DOCTYPE a [<!ENTITY a 'b'>]>" + b"<g>" * 10000


def zeros(network: Network) -> dict[str, torch.Tensor]:
    return {name: torch.zeros(shape) for name, shape in network.graph.inputs.items()}


def use(file: Path) -> str:
    """Open a file and use it as whoever was sent it would; return what became of it."""
    try:
        if file.suffix in (*picture_endings(), ".npy", ".npz", ".svg"):
            found = open_photograph(str(file))
            network = open_network("builtin")
            network.predict(found)
            return f"a picture of {found.pixels.shape}"
        network = open_network(
            file, architecture=torch.nn.Identity if file.suffix in (".pth", ".pt", ".safetensors") else None
        )
        network.activations(
            network.preprocess(Image.new("RGB", (32, 32))) if network.input_spec else zeros(network)
        )
        return "a network"
    except ConvscopeError as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:
        return f"BARE {type(error).__name__}: {str(error)[:300]}"


def status(field: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{field}:")[1].split()[0]) // 1024


def measured(file: Path, use: Callable[[Path], str] = use) -> dict[str, Any]:
    """Use a file in a forked process; return what it took. One that takes over 6 GB, or a minute, ends there."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        before = status("VmRSS")
        resource.setrlimit(resource.RLIMIT_AS, ((status("VmSize") + 6000) * 2**20,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(300)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is this process's own
        said = use(file)
        os.write(write, json.dumps([status("VmHWM") - before, said[:1000]]).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    taken = os.wait4(child, 0)[2]
    seconds = round(taken.ru_utime + taken.ru_stime, 1)
    megabytes, said = json.loads(answer or b'[-1, "died"]')
    return {"name": file.name, "megabytes": megabytes, "seconds": seconds, "said": said}


def main(folder: Path, names: list[str]) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name in names or BOMBS:
        file = folder / name
        if not file.exists():
            os.environ["BOMBS"] = str(folder)
            file.write_bytes(BOMBS[name]())
        if file.stat().st_size >= 5_000_000:
            print(f"{name} has {file.stat().st_size} bytes", file=sys.stderr)
        print(json.dumps(measured(file)), flush=True)


if __name__ == "__main__":
    import bombs
    import bombs_of_work  # noqa: F401

    bombs.main(Path(sys.argv[1]), sys.argv[2:])
