"""The Inception of 2014 ("Inception5h"), node by node as Google's file has it, with made-up weights."""

from __future__ import annotations

from graph_def_writer import GraphWriter

# Block: filters of the 1x1, 3x3 bottleneck, 3x3, 5x5 bottleneck, 5x5 and pooled branches.
BLOCKS = {
    "mixed3a": (64, 96, 128, 16, 32, 32),
    "mixed3b": (128, 128, 192, 32, 96, 64),
    "mixed4a": (192, 96, 204, 16, 48, 64),
    "mixed4b": (160, 112, 224, 24, 64, 64),
    "mixed4c": (128, 128, 256, 24, 64, 64),
    "mixed4d": (112, 144, 288, 32, 64, 64),
    "mixed4e": (256, 160, 320, 32, 128, 128),
    "mixed5a": (256, 160, 320, 48, 128, 128),
    "mixed5b": (384, 192, 384, 48, 128, 128),
}
BRANCHES = ("1x1", "3x3_bottleneck", "3x3", "5x5_bottleneck", "5x5", "pool_reduce")
SIZES = {"1x1": 1, "3x3_bottleneck": 1, "3x3": 3, "5x5_bottleneck": 1, "5x5": 5, "pool_reduce": 1}
CLASSES = 1008
ONES = [1, 1, 1, 1]


def inception_2014() -> GraphWriter:
    """Return the graph: an input of no stated size, all weights, then the network with its three classifiers."""
    g = GraphWriter(seed=5, producer=8)
    g.placeholder("input", shape=None)
    _weights(g)
    x = _convolution(g, "conv2d0", "input", strides=[1, 2, 2, 1])
    x = _pool(g, "maxpool0", x, 3, 2)
    x = _local_response(g, "localresponsenorm0", x)
    x = _convolution(g, "conv2d1", x)
    x = _convolution(g, "conv2d2", x)
    x = _local_response(g, "localresponsenorm1", x)
    x = _pool(g, "maxpool1", x, 3, 2)
    values = {}
    for name in BLOCKS:
        x = values[name] = _block(g, name, x)
        if name in ("mixed3b", "mixed4e"):
            x = _pool(g, "maxpool4" if name == "mixed3b" else "maxpool10", x, 3, 2)
    last = g.node("AvgPool", "avgpool0", x, ksize=[1, 7, 7, 1], strides=ONES, padding="VALID")
    for index, before in enumerate((values["mixed4a"], values["mixed4d"])):
        _side_head(g, index, before)
    flat = _flat(g, "avgpool0/reshape", last, 1024)
    g.node("Softmax", "softmax2", _dense(g, "softmax2_pre_activation", flat, "softmax2"))
    for index, name in enumerate(("output", "output1", "output2")):
        g.node("Identity", name, f"softmax{index}")
    return g


def _weights(g: GraphWriter) -> None:
    shapes = {"conv2d0": (7, 7, 3, 64), "conv2d1": (1, 1, 64, 64), "conv2d2": (3, 3, 64, 192)}
    channels = 192
    for block, filters in BLOCKS.items():
        before = {"3x3": filters[1], "5x5": filters[3]}
        for branch, count in zip(BRANCHES, filters, strict=True):
            size = SIZES[branch]
            shapes[f"{block}_{branch}"] = (size, size, before.get(branch, channels), count)
        channels = filters[0] + filters[2] + filters[4] + filters[5]
    for index, entering in ((0, 508), (1, 528)):
        shapes[f"head{index}_bottleneck"] = (1, 1, entering, 128)
        shapes[f"nn{index}"] = (2048, 1024)
        shapes[f"softmax{index}"] = (1024, CLASSES)
    shapes["softmax2"] = (1024, CLASSES)
    for name, shape in shapes.items():
        g.weights(f"{name}_w", *shape)
        g.weights(f"{name}_b", shape[-1], scale=0.01)


def _convolution(g: GraphWriter, name: str, before: str, strides: list[int] = ONES) -> str:
    conv = g.node("Conv2D", f"{name}_pre_relu/conv", before, f"{name}_w", strides=strides, padding="SAME")
    return g.node("Relu", name, g.node("BiasAdd", f"{name}_pre_relu", conv, f"{name}_b"))


def _pool(g: GraphWriter, name: str, before: str, size: int, stride: int) -> str:
    return g.node(
        "MaxPool", name, before, ksize=[1, size, size, 1], strides=[1, stride, stride, 1], padding="SAME"
    )


def _local_response(g: GraphWriter, name: str, before: str) -> str:
    return g.node("LRN", name, before, depth_radius=5, bias=2.0, alpha=1e-4, beta=0.5)


def _block(g: GraphWriter, name: str, before: str) -> str:
    one = _convolution(g, f"{name}_1x1", before)
    three = _convolution(g, f"{name}_3x3", _convolution(g, f"{name}_3x3_bottleneck", before))
    five = _convolution(g, f"{name}_5x5", _convolution(g, f"{name}_5x5_bottleneck", before))
    pooled = _convolution(g, f"{name}_pool_reduce", _pool(g, f"{name}_pool", before, 3, 1))
    axis = g.const(f"{name}/concat_dim", 3)
    return g.node("Concat", name, axis, one, three, five, pooled, N=4)


def _side_head(g: GraphWriter, index: int, before: str) -> None:
    pooled = g.node(
        "AvgPool", f"head{index}_pool", before, ksize=[1, 5, 5, 1], strides=[1, 3, 3, 1], padding="VALID"
    )
    name = f"head{index}_bottleneck"
    flat = _flat(g, f"{name}/reshape", _convolution(g, name, pooled), 2048)
    wide = g.node("Relu", f"nn{index}", _dense(g, f"nn{index}_pre_relu", flat, f"nn{index}"))
    scores = _dense(
        g, f"softmax{index}_pre_activation", _flat(g, f"nn{index}/reshape", wide, 1024), f"softmax{index}"
    )
    g.node("Softmax", f"softmax{index}", scores)


def _flat(g: GraphWriter, name: str, before: str, count: int) -> str:
    return g.node("Reshape", name, before, g.const(f"{name}/shape", [-1, count]), Tshape="DT_INT32")


def _dense(g: GraphWriter, name: str, before: str, weights: str) -> str:
    product = g.node("MatMul", f"{name}/matmul", before, f"{weights}_w", transpose_a=False, transpose_b=False)
    return g.node("BiasAdd", name, product, f"{weights}_b")
