"""Operators of onnxruntime's own domain, against onnxruntime."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from convscope import open_network

from .oracle import session

RNG = np.random.default_rng(11)
TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
TYPES |= {np.dtype(np.int32): TensorProto.INT32, np.dtype(bool): TensorProto.BOOL}


def floats(*shape, scale=1.0):
    return (RNG.normal(size=shape) * scale).astype(np.float32)


def codes(*shape, type=np.uint8):
    limits = np.iinfo(type)
    return RNG.integers(limits.min, limits.max + 1, shape).astype(type)


def assert_onnxruntimes(
    kind, values, tmp_path, *, feed, outputs=("y",), wanted=None, places=slice(None), **attributes
):
    """Hold an operator against onnxruntime: `values` are its inputs in order, those at `feed` live.

    Of the `outputs` those that are `wanted` are compared, at these `places` of the second axis.
    """
    names = ["" if value is None else f"v{at}" for at, value in enumerate(values)]
    node = helper.make_node(kind, names, list(outputs), domain="com.microsoft", **attributes)
    stored = {}
    for at, (name, value) in enumerate(zip(names, values, strict=True)):
        if name and at not in feed:
            stored[name] = value if isinstance(value, TensorProto) else numpy_helper.from_array(value, name)
            stored[name].name = name
    graph = helper.make_graph(
        [node],
        "small",
        [helper.make_tensor_value_info(names[at], TYPES[values[at].dtype], values[at].shape) for at in feed],
        [helper.make_empty_tensor_value_info(name) for name in outputs if name],
        list(stored.values()),
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.save(model, tmp_path / "net.onnx")
    names_wanted = list(wanted or outputs)
    arrays = session(model).run(names_wanted, {names[at]: values[at] for at in feed})
    given = {names[at]: torch.from_numpy(values[at].astype(np.float32)) for at in feed}
    found = open_network(tmp_path / "net.onnx").activations(given, *names_wanted)
    for name, numbers in zip(names_wanted, arrays, strict=True):
        ours = found[name].numpy()
        if places != slice(None):
            ours, numbers = ours[:, places], numbers[:, places]
        np.testing.assert_allclose(ours, numbers, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [0, 1])
def test_products_with_weights_out_of_a_table(kind, tmp_path) -> None:
    rows, columns, block = 5, 19, 16  # the last block is not full, and the count of codes is odd
    values = [floats(2, 3, columns), codes(48), np.abs(floats(6))]
    settings = {"N": rows, "K": columns, "block_size": block, "quant_type": kind}
    assert_onnxruntimes("MatMulBnb4", values, tmp_path, feed=[0], **settings)


@pytest.mark.parametrize(
    ("bits", "zeros", "settings"),
    [(4, True, {}), (8, True, {}), (8, False, {}), (4, False, {"block_size": 32})],
)
def test_rows_of_codes_in_blocks(bits, zeros, settings, tmp_path) -> None:
    settings = {"block_size": 16, "bits": bits, "quantize_axis": 1, "gather_axis": 0, **settings}
    blocks = 48 // settings["block_size"] + (48 % settings["block_size"] > 0)
    values = [codes(7, 48 * bits // 8), np.array([[3, 0], [-1, 6]]), np.abs(floats(7, blocks))]
    if zeros:
        values.append(codes(7, -(-blocks * bits // 8)))
    assert_onnxruntimes("GatherBlockQuantized", values, tmp_path, feed=[1], **settings)


@pytest.mark.parametrize("gather_axis", [0, 1, 2])
def test_rows_of_four_bits_along_any_axis(gather_axis, tmp_path) -> None:
    stored = helper.make_tensor("w", TensorProto.INT4, (3, 17, 4), RNG.integers(-8, 8, 204).tolist())
    settings = {"block_size": 16, "quantize_axis": 1, "gather_axis": gather_axis}
    values = [stored, np.array([2, 0, 2]), np.abs(floats(3, 2, 4))]
    assert_onnxruntimes("GatherBlockQuantized", values, tmp_path, feed=[1], **settings)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("type", [np.uint8, np.int8])
def test_an_lstm_that_rounds_what_it_multiplies(direction, per_channel, type, tmp_path) -> None:
    count, inputs, hidden = 1 + (direction == "bidirectional"), 5, 3
    size = (count, 4 * hidden) if per_channel else (count,)
    values = [
        floats(4, 1, inputs),
        codes(count, inputs, 4 * hidden, type=type),
        codes(count, hidden, 4 * hidden, type=type),
        floats(count, 8 * hidden, scale=0.3),
        None,
        floats(count, 1, hidden),
        floats(count, 1, hidden),
        None,
    ]
    for _ in range(2):
        middle = np.zeros(size, type) if per_channel else codes(*size, type=type)
        values += [np.abs(floats(*size, scale=0.01)) + np.float32(0.003), middle]
    outputs = ("y", "h", "c")
    settings = {"hidden_size": hidden, "direction": direction}
    assert_onnxruntimes("DynamicQuantizeLSTM", values, tmp_path, feed=[0], outputs=outputs, **settings)


@pytest.mark.parametrize("segments", [False, True])
def test_an_embedding_of_codes(segments, tmp_path) -> None:
    words, kinds = RNG.integers(0, 9, (2, 4)).astype(np.int32), RNG.integers(0, 2, (2, 4)).astype(np.int32)
    rows = [codes(9, 6), codes(5, 6), codes(2, 6) if segments else None, codes(6), codes(6)]
    scales = [np.abs(floats(1)).reshape(()) * np.float32(0.1) + np.float32(0.01) for _ in rows]
    zeros = [codes(1).reshape(()) for _ in rows]
    if not segments:
        scales[2] = zeros[2] = None
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    values = [words, kinds if segments else None, *rows, mask, *scales, *zeros]
    feed = [0, 1, 7] if segments else [0, 7]
    outputs = ("y", "counts")
    assert_onnxruntimes(
        "QEmbedLayerNormalization", values, tmp_path, feed=feed, outputs=outputs, epsilon=0.01
    )


GROUPS = {
    "first words": {},
    "kept keys": {"kept": 3},
    "packed": {"packed": True, "kept": 2},
    "rotated": {"do_rotary": 1, "kept": 3},
    "rotated in pairs": {"do_rotary": 1, "rotary_interleaved": 1},
    "a window and a cap": {"local_window_size": 2, "softcap": 1.5, "kept": 4},
    "smooth": {"smooth_softmax": 1, "scale": 0.4},
    "sequences of several lengths": {"kept": 4, "lengths": [4, 2], "steps": 1},
    "words at the end do not count": {"lengths": [3, 1], "steps": 4, "total": 4},
}


@pytest.mark.parametrize("case", GROUPS)
def test_groups_of_queries_that_share_a_key(case, tmp_path) -> None:
    settings = dict(GROUPS[case])
    kept, steps = settings.pop("kept", 0), settings.pop("steps", 3 if "kept" not in GROUPS[case] else 1)
    heads, key_heads, width, batch, packed = 4, 2, 16, 2, settings.pop("packed", False)
    lengths = settings.pop("lengths", [kept + steps - 1] * batch)
    total = settings.pop("total", kept + steps)
    query, key = floats(batch, steps, heads * width), floats(batch, steps, key_heads * width)
    value = floats(batch, steps, key_heads * width)
    values = [np.concatenate([query, key, value], 2), None, None] if packed else [query, key, value]
    values += (
        [floats(batch, key_heads, kept, width), floats(batch, key_heads, kept, width)] if kept else [None] * 2
    )
    values += [np.array(lengths, np.int32), np.array(total, np.int32)]
    feed = [at for at in range(6) if values[at] is not None]
    if settings.get("do_rotary"):
        angles = floats(12, width // 2)
        values += [np.cos(angles), np.sin(angles)]
    settings |= {"num_heads": heads, "kv_num_heads": key_heads}
    wanted = ("y",) if "lengths" in GROUPS[case] else ("y", "k", "v")  # behind a short one's keys is anything
    places = slice(min(lengths) + 1) if case == "words at the end do not count" else slice(None)
    outputs = {"outputs": ("y", "k", "v"), "wanted": wanted, "places": places}
    assert_onnxruntimes("GroupQueryAttention", values, tmp_path, feed=feed, **outputs, **settings)


def test_boxes_of_a_map_at_one_size(tmp_path) -> None:
    boxes = np.array([[0.1, 0.2, 0.9, 0.7], [-0.2, 0.0, 1.1, 1.0], [0.8, 0.9, 0.1, 0.3]], np.float32)
    values = [floats(2, 3, 6, 5), boxes, np.array([1, 0, 1], np.int32), np.array([4, 3], np.int32)]
    for mode in ("bilinear", "nearest"):
        settings = {"mode": mode, "extrapolation_value": -0.5}
        assert_onnxruntimes("CropAndResize", values, tmp_path, feed=[0, 1, 2], **settings)


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_small_operators(metric, tmp_path) -> None:
    assert_onnxruntimes("CDist", [floats(4, 3), floats(5, 3)], tmp_path, feed=[0, 1], metric=metric)
    assert_onnxruntimes("ExpandDims", [floats(4, 3), np.array(-1, np.int32)], tmp_path, feed=[0])
    assert_onnxruntimes("Inverse", [floats(2, 3, 3) + 3 * np.eye(3, dtype=np.float32)], tmp_path, feed=[0])
    assert_onnxruntimes("UnfoldTensor", [floats(2, 7, 3)], tmp_path, feed=[0], dim=1, size=3, step=2)
