"""Further bombs: few bytes whose graph comes to millions of nodes, or whose numbers take endless work.

Importing this adds them to `bombs.BOMBS`.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper

import plain_keras
from bombs import (
    BOMBS,
    bomb,
    chunk,
    ints,
    keras,
    model,
    node,
    own,
    pillow,
    png,
    saved,
    step,
    tensor,
    tensorflow,
    zipped,
)
from graph_def_writer import GraphWriter

written: Any = plain_keras  # which has no types


def value(name: str, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, None)


def array(name: str, *shape: int, fill: float = 0.0) -> Any:
    return onnx.numpy_helper.from_array(np.full(shape, fill, np.float32), name)


TRUE = onnx.numpy_helper.from_array(np.asarray(True), "true")


# TorchScript


def script(made: str) -> bytes:
    """Return a program that adds a number made of nothing to its input."""
    lines = (
        "class Net(Module):",
        "  def forward(self: __torch__.Net, x: Tensor) -> Tensor:",
        *made.splitlines(),
    )
    code = "\n".join((*lines, "    return torch.add(torch.mul(x, self.w), torch.sum(made))"))
    return zipped(
        (
            "a/data.pkl",
            b"\x80\x02c__torch__\nNet\n)\x81}X\x01\0\0\0w" + tensor((3, 1, 1), (1, 1, 1), 3) + b"sb.",
        ),
        ("a/data/0", bytes(12)),
        ("a/constants.pkl", b"\x80\x02)."),
        ("a/code/__torch__.py", code.encode()),
        ("a/version", b"3"),
        packed=False,
    )


_ZEROS = 'dtype=6, layout=None, device=torch.device("cpu"), pin_memory=False'
BOMBS["spread.ptl"] = lambda: script(
    f"    made = torch.contiguous(torch.expand(torch.ones([1], {_ZEROS}), [50000, 50000]))"
)
BOMBS["as-often.ptl"] = lambda: script(
    f"    made = torch.repeat_interleave(torch.to(torch.full([1], 2000000000, {_ZEROS}), 4))"
)
BOMBS["products.ptl"] = lambda: script(
    f"    made = torch.ones([2000, 2000], {_ZEROS})\n    for i in range(1000):\n      made = torch.mm(made, made)"
)
BOMBS["lines.ptl"] = lambda: script("    x\n" * 2_000_000 + "    made = x")
BOMBS["words.ptl"] = lambda: script("    made = [" + "1," * 7_000_000 + "]")


# ONNX


@bomb("functions.onnx")
def functions() -> bytes:
    """Each function calls the next one twice."""
    deep, opsets = 25, [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    made = onnx.load_from_string(model([node("f0", ["x"], ["y"], domain="own")]))
    for i in range(deep):
        last = i == deep - 1
        called = [("Relu", {})] if last else [(f"f{i + 1}", {"domain": "own"})] * 2
        names = [*["a", "b", "c"][: len(called)], "d"]
        nodes = [node(op, [names[at]], [names[at + 1]], **more) for at, (op, more) in enumerate(called)]
        made.functions.append(helper.make_function("own", f"f{i}", ["a"], ["d"], nodes, opsets))
    made.opset_import.append(opsets[1])
    return bytes(made.SerializeToString())


def loop(depth: int) -> Any:
    inner = loop(depth - 1) if depth else node("Relu", ["v"], ["w"])
    body = helper.make_graph(
        [node("Identity", ["going"], ["goes"]), inner],
        "body",
        [value("i", TensorProto.INT64), value("going", TensorProto.BOOL), value("v")],
        [value("goes", TensorProto.BOOL), value("w")],
    )
    outermost = depth == 5
    return node("Loop", ["count", "true", "x" if outermost else "v"], ["y" if outermost else "w"], body=body)


BOMBS["loops.onnx"] = lambda: model([loop(5)], initializers=[ints("count", 200), TRUE])
BOMBS["recurrent.onnx"] = lambda: model(
    [node("LSTM", ["x", "w", "r"], ["y"], hidden_size=1)],
    shape=(200_000, 1, 1),
    initializers=[array("w", 1, 4, 1), array("r", 1, 4, 1)],
)


@bomb("beside.onnx")
def beside() -> bytes:
    """Thousands of tensors beside the file, all in the same place: in the file itself."""
    count, length = 3000, 250_000
    made = onnx.load_from_string(
        model(
            [
                node("Add", [f"v{i}" if i else "x", f"w{i}"], [f"v{i + 1}" if i < count - 1 else "y"])
                for i in range(count)
            ],
            shape=(1, length),
        )
    )
    for i in range(count):
        tensor = made.graph.initializer.add(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[length])
        tensor.data_location = TensorProto.EXTERNAL
        for key, said in (("location", "beside.onnx"), ("offset", "0"), ("length", str(4 * length))):
            tensor.external_data.add(key=key, value=said)
    made.doc_string = "a" * 4 * length
    return bytes(made.SerializeToString())


def of_constants(*nodes: Any, **sizes: Any) -> bytes:
    """A network that adds the sum of what nodes make of constants of these sizes."""
    filled = [node("ConstantOfShape", [f"{name}_size"], [name]) for name in sizes]
    summed = [node("ReduceSum", ["made"], ["sum"]), node("Add", ["x", "sum"], ["y"])]
    sizes_given = [ints(f"{name}_size", size) for name, size in sizes.items()]
    return model([*filled, *nodes, *summed], initializers=sizes_given)


BOMBS["sorted.onnx"] = lambda: of_constants(node("Unique", ["a"], ["made"], sorted=1), a=[20_000_000])
BOMBS["convolved.onnx"] = lambda: of_constants(
    node("Conv", ["a", "b"], ["made"], pads=[50] * 4), a=[1, 8, 1000, 1000], b=[8, 8, 101, 101]
)
BOMBS["boxes.onnx"] = lambda: model(
    [
        node("NonMaxSuppression", ["boxes", "scores", "most"], ["kept"]),
        node("Cast", ["kept"], ["numbers"], to=TensorProto.FLOAT),
        node("ReduceSum", ["numbers"], ["sum"]),
        node("Add", ["x", "sum"], ["y"]),
    ],
    initializers=[array("boxes", 1, 200_000, 4), array("scores", 1, 1, 200_000), ints("most", 10**9)],
)

# TensorFlow


def one_hot(g: GraphWriter) -> None:
    g.placeholder("x", (1, 32, 32, 3))
    parts = [
        g.const("i", list(range(3000))),
        g.const("depth", 300_000),
        g.const("on", 1.0),
        g.const("off", 0.0),
    ]
    g.node("OneHot", "o", *parts, TI="DT_INT32", axis=-1)
    g.node("Add", "y", "x", g.node("Sum", "t", "o", g.const("a", [0, 1]), Tidx="DT_INT32"))


BOMBS["one-hot.pb"] = lambda: tensorflow(one_hot)

# Keras


@bomb("models-in-models.keras")
def models_in_models() -> bytes:
    """Each model holds another one and calls it twice."""
    functional, photo = written.functional, written.input_layer
    layers = [photo((32, 32, 3), "i0"), written.layer("ReLU", "r", "i0")]
    inner = functional("m0", layers, ["i0"], ["r"])
    for depth in range(1, 24):
        name, given = f"m{depth - 1}", f"i{depth}"
        calls = [[[given, 0, 0, {}]], [[name, 1, 0, {}]]]
        held = {**inner, "name": name, "inbound_nodes": calls}
        inner = functional(f"m{depth}", [photo((32, 32, 3), given), held], [given], [(name, 2)])

    def write(path: Any) -> None:
        with h5py.File(path, "w") as file:
            file.create_group("layers")

    return keras(json.dumps(inner).encode(), saved(write))


@bomb("chunk.h5")
def chunk_of_zeros() -> bytes:
    """A chunk that says it is 432 bytes, and comes to four billion."""

    def write(path: Any) -> None:
        named = written.layer("Conv2D", "c", filters=4, kernel_size=[3, 3], use_bias=False)
        photo = written.input_layer((32, 32, 3))
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(written.sequential("m", [photo, named]))
            group = file.create_group("model_weights")
            group.attrs["layer_names"] = [b"c"]
            group = group.create_group("c")
            group.attrs["weight_names"] = [b"kernel"]
            shape = (3, 3, 3, 4)
            made = group.create_dataset("kernel", shape, np.float32, chunks=shape, compression="gzip")
            pack = zlib.compressobj(9)
            data = b"".join(pack.compress(bytes(10**7)) for _ in range(400)) + pack.flush()
            made.id.write_direct_chunk((0, 0, 0, 0), data)

    return saved(write)


# convscope's own


def without_inputs(kind: str, name: str, **attributes: Any) -> dict[str, Any]:
    return {**step(kind, "", name, **attributes), "inputs": []}


BOMBS["filled.convscope"] = lambda: own(
    [
        without_inputs("tensor", "size", values=[30_000, 30_000]),
        step("fill", "size", "f", value=1.0),
        step("relu", "f", "g"),
        step("relu", "data", "y"),
    ]
)
BOMBS["counted.convscope"] = lambda: own(
    [
        *(without_inputs("tensor", name, values=[n]) for name, n in (("a", 0), ("b", 10**9), ("c", 1))),
        {**step("arange", "", "r"), "inputs": ["a", "b", "c"]},
        step("relu", "data", "y"),
    ]
)
BOMBS["one-hot.convscope"] = lambda: own(
    [
        without_inputs("tensor", "i", values=[1] * 3000),
        step("one_hot", "i", "o", depth=300_000),
        step("relu", "data", "y"),
    ]
)

# Pictures

BOMBS["flat.webp"] = lambda: pillow("WEBP", (7000, 7000), quality=1, method=0)
BOMBS["flat.jp2"] = lambda: pillow("JPEG2000", (7000, 7000))


@bomb("scans.jpg")
def scans() -> bytes:
    """A progressive JPEG whose last scan comes again, thousands of times."""
    one = pillow("JPEG", (3000, 3000), progressive=True, quality=1)
    scan = one[one.rindex(b"\xff\xda") : -2]
    return one[:-2] + scan * ((4_900_000 - len(one)) // len(scan)) + b"\xff\xd9"


BOMBS["empty-data.png"] = lambda: png(3000, 3000, 8, 2, 3, *[chunk(b"IDAT", b"")] * 400_000)
