"""Frozen graphs like those people have, made up: every op, and the Inception of 2014 node by node."""

from __future__ import annotations

from functools import partial

import numpy as np

from graph_def_writer import GraphWriter

STRIDES = {"strides": [1, 1, 1, 1], "padding": "SAME"}


def convolution(
    g: GraphWriter, name: str, before: str, channels: int, filters: int, **options: object
) -> str:
    """Add a 3x3 convolution whose weights are read through an Identity."""
    size = options.pop("size", 3)
    weights = g.weights(f"{name}/weights", size, size, channels, filters)  # type: ignore[arg-type]
    read = g.node("Identity", f"{name}/weights/read", weights)
    return g.node("Conv2D", name, before, read, **{**STRIDES, "data_format": "NHWC", **options})


def every_op() -> GraphWriter:
    """Return a graph of every op in one piece of a network or another, at sizes that divide by nothing."""
    g = GraphWriter(seed=1)
    x = g.placeholder("input", (-1, 45, 39, 3))
    x = g.node("Sub", "centered", x, g.const("mean", np.float32(0.4)))
    x = g.node("Mul", "scaled", g.const("two", np.float32([2.0]), listed=True), x)
    x = convolution(g, "stem", x, 3, 8, size=7, strides=[1, 2, 2, 1])
    x = g.node("BiasAdd", "stem_bias", x, g.weights("stem_b", 8))
    x = g.node("Relu", "stem_relu", x)
    x = g.node("MaxPool", "pool", x, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="SAME")
    x = g.node("LRN", "norm", x, depth_radius=2, bias=1.5, alpha=0.1, beta=0.6)
    x = blocks(g, x)
    x = normalizations(g, x)
    x = arrangements(g, x)
    x = dilated(g, x)
    elementwise(g, x)
    resizes(g, x)
    head(g, x)
    return g


def blocks(g: GraphWriter, x: str) -> str:
    """An inception block with the old Concat, depthwise convolutions, an explicitly padded one."""
    one = convolution(g, "one", x, 8, 4, size=1)
    five = convolution(g, "five", x, 8, 4, size=5, padding="VALID")
    five = g.node("Pad", "five_padded", five, g.const("pads", [[0, 0], [2, 2], [1, 3], [0, 0]]))
    pool = g.node("AvgPool", "average", x, ksize=[1, 3, 3, 1], strides=[1, 1, 1, 1], padding="SAME")
    both = g.node("Concat", "joined", g.const("joined/axis", 3), one, five, pool, N=3)
    x = g.node("DepthwiseConv2dNative", "depthwise", both, g.weights("depthwise_w", 3, 3, 16, 2), **STRIDES)
    x = g.node("Relu6", "six", x)
    x = convolution(
        g,
        "explicit",
        x,
        32,
        6,
        padding="EXPLICIT",
        explicit_paddings=[0, 0, 1, 0, 2, 1, 0, 0],
        strides=[1, 2, 1, 1],
    )
    return g.node("ConcatV2", "rows", x, x, g.const("rows/axis", 1), N=2)


def normalizations(g: GraphWriter, x: str) -> str:
    """Batch normalization fused, written out in steps, and over what a picture's own numbers say."""
    vectors = partial(g.weights, scale=0.2)
    variance = partial(g.weights, scale=0.05, shift=1.0)
    x = g.node(
        "FusedBatchNormV3", "fused", x, vectors("gamma", 6, shift=1), vectors("beta", 6), vectors("mean3", 6),
        variance("variance3", 6), epsilon=0.01, is_training=False, U="DT_FLOAT",
    )  # fmt: skip
    x = convolution(g, "plain", x, 6, 6)
    epsilon = g.const("bn/add/y", np.float32(0.001))
    root = g.node("Rsqrt", "bn/Rsqrt", g.node("Add", "bn/add", variance("bn/variance", 6), epsilon))
    factor = g.node("Mul", "bn/mul", root, vectors("bn/gamma", 6, shift=1))
    shift = g.node(
        "Sub", "bn/sub", vectors("bn/beta", 6), g.node("Mul", "bn/mul_2", vectors("bn/mean", 6), factor)
    )
    x = g.node("AddV2", "bn/add_1", g.node("Mul", "bn/mul_1", x, factor), shift)
    x = g.node("LeakyRelu", "leaky", x, alpha=0.1)
    x = g.node(
        "FusedBatchNorm", "of_batch", x, vectors("gamma2", 6, shift=1), vectors("beta2", 6),
        g.const("none1", np.zeros(0, np.float32)), g.const("none2", np.zeros(0, np.float32)), epsilon=0.01,
        is_training=True,
    )  # fmt: skip
    return g.node("CheckNumerics", "checked", x, message="fine")


def arrangements(g: GraphWriter, x: str) -> str:
    """Parts, shapes and orders, at sizes that are worked out from the input's."""
    first = g.node("Split", "parts", g.const("parts/axis", 3), x, num_split=2)
    one = g.node("Relu", "part_one", f"{first}:1")
    uneven = g.node(
        "SplitV",
        "uneven",
        x,
        g.const("sizes", [1, 2, 3]),
        g.const("uneven/axis", -1),
        num_split=3,
        Tlen="DT_INT32",
    )
    x = g.node("ConcatV2", "again", one, f"{uneven}:2", first, g.const("again/axis", -1), N=3)
    x = convolution(g, "after", x, 9, 8)
    deep = g.node(
        "SpaceToDepth",
        "deeper",
        g.node("Pad", "even", x, g.const("even/pads", [[0, 0], [0, 0], [0, 1], [0, 0]])),
        block_size=2,
    )
    wide = g.node("DepthToSpace", "wider", deep, block_size=2)
    turned = g.node("Transpose", "turned", wide, g.const("turned/order", [0, 2, 1, 3]), Tperm="DT_INT32")
    g.node(
        "MirrorPad",
        "mirrored",
        turned,
        g.const("mirrored/pads", [[0, 0], [1, 2], [2, 1], [0, 0]]),
        mode="REFLECT",
    )
    sizes = g.node("Shape", "shape", x, out_type="DT_INT32")
    batch = g.node(
        "StridedSlice", "batch", sizes, g.const("b0", [0]), g.const("b1", [1]), g.const("b2", [1]), T="DT_INT32",
        Index="DT_INT32", shrink_axis_mask=1,
    )  # fmt: skip
    row = g.node("Pack", "row", batch, g.const("all", -1), g.const("eight", 8), T="DT_INT32", N=3, axis=0)
    flat = g.node("Reshape", "flat", x, row, Tshape="DT_INT32")
    g.node("Reshape", "unflat", flat, sizes, Tshape="DT_INT32")
    g.node("Slice", "piece", x, g.const("s0", [0, 1, 2, 0]), g.const("s1", [-1, 3, -1, 5]), Index="DT_INT32")
    return x


def dilated(g: GraphWriter, x: str) -> str:
    """A dilated convolution, as an attribute and as TensorFlow wrote it before: through the batch."""
    block, pads = g.const("block", [2, 2]), g.const("dilated/pads", [[2, 2], [2, 3]])
    many = g.node("SpaceToBatchND", "to_batch", x, block, pads, Tblock_shape="DT_INT32", Tpaddings="DT_INT32")
    conv = convolution(g, "in_batch", many, 8, 8, padding="VALID")
    crops = g.const("dilated/crops", [[0, 0], [0, 1]])
    back = g.node(
        "BatchToSpaceND", "from_batch", conv, block, crops, Tblock_shape="DT_INT32", Tcrops="DT_INT32"
    )
    direct = convolution(g, "direct", x, 8, 8, dilations=[1, 2, 2, 1])
    g.node("Sub", "difference", direct, back)
    return back


def elementwise(g: GraphWriter, x: str) -> None:
    """Every function of a number, and of two."""
    for op in (
        "Identity",
        "Elu",
        "Selu",
        "Sigmoid",
        "Tanh",
        "Softplus",
        "Softsign",
        "Abs",
        "Exp",
        "Neg",
        "Square",
    ):
        g.node(op, f"of_{op}", x)
    positive = g.node("Maximum", "positive", x, g.const("tiny", np.float32(0.5)))
    for op in ("Log", "Sqrt", "Rsqrt"):
        g.node(op, f"of_{op}", positive)
    vector = g.weights("vector", 8, scale=0.1, shift=1.5)
    for op in ("Add", "Sub", "Mul", "RealDiv", "Maximum", "Minimum"):
        g.node(op, f"{op}_values", x, positive)
        g.node(op, f"{op}_vector", positive, vector)
        g.node(op, f"{op}_vector_first", vector, positive)
        g.node(op, f"{op}_number_first", g.const(f"{op}_number", np.float32(1.25)), positive)
    g.node("Pow", "Pow_number", positive, g.const("power", np.float32(0.7)))
    g.node("AddN", "AddN", x, positive, x, N=3)
    lows, highs = g.const("low", np.float32(-0.7)), g.const("high", np.float32(1.1))
    g.node("FakeQuantWithMinMaxVars", "eight_bits", x, lows, highs, num_bits=8, narrow_range=False)
    for op in ("Mean", "Sum", "Max", "Min"):
        g.node(op, f"{op}_kept", x, g.const(f"{op}_axes", [1, 2]), keep_dims=True, Tidx="DT_INT32")
        g.node(op, f"{op}_gone", x, g.const(f"{op}_axis", [2]), keep_dims=False, Tidx="DT_INT32")
    g.node("ArgMax", "largest", x, g.const("largest_axis", 3), Tidx="DT_INT32", output_type="DT_INT64")
    g.node("ExpandDims", "more_axes", x, g.const("more_axis", 1), Tdim="DT_INT32")
    g.node("Tile", "tiled", x, g.const("tiled/times", [1, 2, 1, 3]), Tmultiples="DT_INT32")
    g.node("LogSoftmax", "log_softmax", x)


def resizes(g: GraphWriter, x: str) -> None:
    """Every way of making maps larger and smaller."""
    for op in ("ResizeBilinear", "ResizeNearestNeighbor"):
        for way, flags in {
            "legacy": {},
            "corners": {"align_corners": True},
            "centers": {"half_pixel_centers": True},
        }.items():
            for what, size in {"larger": [31, 17], "smaller": [5, 7]}.items():
                name = f"{op}_{way}_{what}"
                g.node(op, name, x, g.const(f"{name}/size", size), **{"align_corners": False, **flags})


def head(g: GraphWriter, x: str) -> None:
    """Pooled, fully connected, classified; a second head of 1x1 convolutions that is squeezed."""
    pooled = g.node("Mean", "global", x, g.const("global/axes", [1, 2]), keep_dims=False, Tidx="DT_INT32")
    scores = g.node(
        "MatMul", "scores", pooled, g.weights("scores_w", 8, 5), transpose_a=False, transpose_b=False
    )
    scores = g.node("BiasAdd", "scores_bias", scores, g.weights("scores_b", 5))
    other = g.node("MatMul", "other", pooled, g.weights("other_w", 5, 8), transpose_a=False, transpose_b=True)
    g.node("Softmax", "softmax", g.node("AddV2", "all_scores", scores, other))
    kept = g.node("Mean", "global_kept", x, g.const("kept/axes", [1, 2]), keep_dims=True, Tidx="DT_INT32")
    logits = convolution(g, "logits", kept, 8, 5, size=1)
    squeezed = g.node("Squeeze", "squeezed", logits, squeeze_dims=[1, 2])
    g.node("Softmax", "softmax1", squeezed)


def on_codes() -> GraphWriter:
    """Return a graph as `quantize_nodes` made them: ranges measured on the way, and every op on codes there is."""
    g = GraphWriter(seed=5)
    x = g.placeholder("input", (1, 9, 7, 3))
    eight, wide = {"T": "DT_QUINT8"}, {"T": None, "Tinput": "DT_QINT32"}
    pair = {"T": None, "T1": "DT_QUINT8", "T2": "DT_QUINT8"}

    def coded(name: str, value: str) -> tuple[str, str, str]:
        axes = g.const(f"{name}/axes", [0])
        row = g.node("Reshape", f"{name}/row", value, g.const(f"{name}/all", [-1]), Tshape="DT_INT32")
        ends = [
            g.node(op, f"{name}/{op}", row, axes, keep_dims=False, Tidx="DT_INT32") for op in ("Min", "Max")
        ]
        g.node("QuantizeV2", name, value, *ends, mode="MIN_FIRST", **eight)
        return name, f"{name}:1", f"{name}:2"

    def stored(name: str, *shape: int) -> tuple[str, str, str]:
        codes = g.random.integers(0, 256, shape).astype(np.uint8)
        g.codes(name, codes, "QUINT8")
        return name, g.const(f"{name}/min", np.float32(-0.83)), g.const(f"{name}/max", np.float32(0.61))

    def shrunk(name: str, old: bool = False) -> tuple[str, str, str]:
        codes = name, f"{name}:1", f"{name}:2"
        if old:
            small = g.node(
                "QuantizeDownAndShrinkRange", f"{name}/small", *codes, out_type="DT_QUINT8", **wide
            )
        else:
            ends = g.node("RequantizationRange", f"{name}/ends", *codes, **wide)
            small = g.node(
                "Requantize", f"{name}/small", *codes, ends, f"{ends}:1", out_type="DT_QUINT8", **wide
            )
        return small, f"{small}:1", f"{small}:2"

    picture = coded("picture", x)
    filters = stored("filters", 3, 3, 3, 6)
    types = {"T": None, "Tinput": "DT_QUINT8", "Tfilter": "DT_QUINT8", "out_type": "DT_QINT32"}
    g.node(
        "QuantizedConv2D", "convolved", picture[0], filters[0], *picture[1:], *filters[1:],
        strides=[1, 2, 2, 1], padding="SAME", **types,
    )  # fmt: skip
    stem = shrunk("convolved")
    bias = stored("bias", 6)
    g.node("QuantizedBiasAdd", "biased", stem[0], bias[0], *stem[1:], *bias[1:], out_type="DT_QINT32", **pair)
    g.node("QuantizedRelu", "rectified_sums", "biased", "biased:1", "biased:2", **wide, out_type="DT_QINT32")
    biased = shrunk("biased", old=True)
    small = {"T": None, "Tinput": "DT_QUINT8", "out_type": "DT_QUINT8"}
    g.node("QuantizedRelu", "rectified", *biased, **small)
    g.node("QuantizedRelu6", "rectified6", *biased, **small)
    ends = "rectified:1", "rectified:2"
    window = {"ksize": [1, 3, 3, 1], "strides": [1, 1, 1, 1], "padding": "SAME"}
    g.node("QuantizedMaxPool", "largest", "rectified", *ends, **window, **eight)
    g.node("QuantizedAvgPool", "average", "rectified", *ends, **window, **eight)
    parts = [("largest", "largest:1", "largest:2"), stem, biased]
    g.node(
        "QuantizedConcat", "joined", g.const("joined/axis", np.int32(3)), *(part[0] for part in parts),
        *(part[1] for part in parts), *(part[2] for part in parts), N=3, **eight,
    )  # fmt: skip
    joined = "joined", "joined:1", "joined:2"
    g.node(
        "QuantizedInstanceNorm", "normalized", *joined, variance_epsilon=1e-5, min_separation=1e-3, **eight
    )
    numbers = [end for name in ("mean", "variance", "shift", "scale") for end in stored(name, 6)]
    numbers[4] = g.const("variance/low", np.float32(0.1))
    g.node(
        "QuantizedBatchNormWithGlobalNormalization", "normed", *stem, *numbers, variance_epsilon=0.01,
        scale_after_normalization=True, out_type="DT_QINT32", T=None, Tinput="DT_QUINT8",
    )  # fmt: skip
    g.node("QuantizedResizeBilinear", "resized", stem[0], g.const("resized/size", [8, 5]), *stem[1:], **eight)
    both = {**pair, "Toutput": "DT_QINT32"}
    g.node("QuantizedAdd", "added", stem[0], biased[0], *stem[1:], *biased[1:], **both)
    g.node("QuantizedMul", "multiplied", stem[0], biased[0], *stem[1:], *biased[1:], **both)
    shape = g.const("row/shape", [1, 5 * 4 * 6])
    g.node("QuantizedReshape", "row", "average", shape, "average:1", "average:2", Tshape="DT_INT32", **eight)
    matrix = stored("matrix", 5 * 4 * 6, 4)
    g.node(
        "QuantizedMatMul", "scores", "row", matrix[0], "row:1", "row:2", *matrix[1:], transpose_a=False,
        transpose_b=False, Tactivation="DT_QUINT8", **both,
    )  # fmt: skip
    scores = shrunk("scores")
    logits = g.node("Dequantize", "logits", *scores, mode="MIN_FIRST", **eight)
    g.node("Softmax", "softmax", logits)
    return g


def on_fused_codes() -> GraphWriter:
    """Return a graph as Intel's tools wrote them: a residual block of fused ops, ranges of each channel, and a head."""
    g = GraphWriter(seed=6)
    x = g.placeholder("input", (1, 8, 7, 3))
    scaled = {"mode": "SCALED", "round_mode": "HALF_TO_EVEN"}
    g.node(
        "QuantizeV2",
        "picture",
        x,
        g.const("low", np.float32(0)),
        g.const("high", np.float32(1.9)),
        T="DT_QUINT8",
        **scaled,
    )
    window = {"strides": [1, 1, 1, 1], "padding": "SAME", "T": None}

    def filters(name: str, *shape: int, channels: int = 0) -> tuple[str, ...]:
        codes = g.codes(name, g.random.integers(-127, 128, shape).astype(np.int8), "QINT8")
        ends = g.random.uniform(0.5, 1.2, channels or 1).astype(np.float32)
        ends = ends if channels else ends[0]
        return codes, g.const(f"{name}/min", -ends), g.const(f"{name}/max", ends)

    def ends(name: str, high: float, low: float = 0.0) -> list[str]:
        return [g.const(f"{name}/{at}", np.float32(value)) for at, value in (("least", low), ("most", high))]

    def types(before: str, behind: str, **more: str) -> dict[str, object]:
        return {"Tinput": before, "Tfilter": "DT_QINT8", "Tbias": "DT_FLOAT", "out_type": behind, **more}

    w = filters("stem/w", 3, 3, 3, 6, channels=6)
    g.node(
        "QuantizedConv2DWithBiasAndReluAndRequantize", "stem", "picture", w[0], g.weights("stem/b", 6), "picture:1",
        "picture:2", *w[1:], *ends("stem", 9.0), **window, **types("DT_QUINT8", "DT_QUINT8"),
    )  # fmt: skip
    w = filters("side/w", 1, 1, 6, 6)
    g.node(
        "QuantizedConv2DWithBiasAndRequantize", "side", "stem", w[0], g.weights("side/b", 6), "stem:1", "stem:2",
        *w[1:], *ends("side", 11.0, -11.0), **window, **types("DT_QUINT8", "DT_QINT8"),
    )  # fmt: skip
    w = filters("sum/w", 3, 3, 6, 6, channels=6)
    g.node(
        "QuantizedConv2DWithBiasSignedSumAndReluAndRequantize", "sum", "stem", w[0], g.weights("sum/b", 6), "stem:1",
        "stem:2", *w[1:], *ends("sum", 60.0), "side", "side:1", "side:2", **window,
        **types("DT_QUINT8", "DT_QUINT8", Tsummand="DT_QINT8"),
    )  # fmt: skip
    w = filters("deep/w", 3, 3, 6, 1)
    g.node(
        "QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize", "deep", "stem", w[0], g.weights("deep/b", 6), "stem:1",
        "stem:2", *w[1:], *ends("deep", 14.0), **window, **types("DT_QUINT8", "DT_QUINT8"),
    )  # fmt: skip
    w = filters("wide/w", 1, 1, 6, 4)
    g.node(
        "QuantizedConv2DWithBiasAndRelu", "wide", "deep", w[0], g.weights("wide/b", 4), "deep:1", "deep:2", *w[1:],
        **{**window, "strides": [1, 2, 2, 1], "Tinput": "DT_QUINT8", "Tfilter": "DT_QINT8", "out_type": "DT_QINT32"},
    )  # fmt: skip
    g.node(
        "Requantize", "narrow", "wide", "wide:1", "wide:2", *ends("narrow", 6.5), T=None, Tinput="DT_QINT32",
        out_type="DT_QUINT8",
    )  # fmt: skip
    g.node("Dequantize", "numbers", "narrow", "narrow:1", "narrow:2", T="DT_QUINT8", mode="SCALED")
    row = g.node("Reshape", "row", "numbers", g.const("row/shape", [1, 64]), Tshape="DT_INT32")
    g.node("QuantizeV2", "coded", row, *ends("coded", 6.5), T="DT_QUINT8", mode="MIN_FIRST")
    w = filters("scores/w", 64, 5)
    for name, op, more in (
        ("scores", "QuantizedMatMulWithBiasAndDequantize", {"Toutput": "DT_FLOAT"}),
        ("positive", "QuantizedMatMulWithBiasAndReluAndRequantize", {"Toutput": "DT_QUINT8"}),
    ):
        g.node(
            op, name, "coded", w[0], g.weights(f"{name}/b", 5), "coded:1", "coded:2", *w[1:], *ends(name, 25.0),
            T=None, T1="DT_QUINT8", T2="DT_QINT8", Tbias="DT_FLOAT", input_quant_mode="MIN_FIRST", **more,
        )  # fmt: skip
    g.node("Softmax", "softmax", g.node("Mul", "small", "scores", g.const("factor", np.float32(0.001))))
    return g
