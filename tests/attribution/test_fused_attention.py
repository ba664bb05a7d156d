"""Attention of one piece, as ONNX, onnxruntime and Keras write it: maps are those of the same network in torch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor

import convscope
from convscope.attribution import relevance_rules
from convscope.network.network import Network
from plain_keras import functional, input_layer, layer, write_keras
from small_transformer import (
    BLOCKS,
    HEADS,
    MEAN,
    WIDTH,
    Tokens,
    before_the_last,
    on_grid,
    picture,
    relevance_by_hand,
    rolled,
)

Weights = dict[str, NDArray[np.float32]]
PLACES = 35


def _arrays(module: Tokens) -> Weights:
    return {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}


def _split(x: str, to: str, count: int) -> Iterator[NodeProto]:
    """Yield queries, keys and values of a block, each a product of its own."""
    for part in "qkv":
        yield helper.make_node("MatMul", [x, f"{part}.weight.{count}"], [f"{part}0.{count}"])
        yield helper.make_node("Add", [f"{part}0.{count}", f"{part}.bias.{count}"], [f"{to}{part}.{count}"])


def _onnx_attention(x: str, y: str, count: int) -> Iterator[NodeProto]:
    yield from _split(x, "", count)
    yield helper.make_node(
        "Attention", [f"{part}.{count}" for part in "qkv"], [y], q_num_heads=HEADS, kv_num_heads=HEADS
    )


def _onnx_attention_of_heads(x: str, y: str, count: int) -> Iterator[NodeProto]:
    yield from _split(x, "flat.", count)
    for part in "qkv":
        yield helper.make_node("Reshape", [f"flat.{part}.{count}", "by_head"], [f"four.{part}.{count}"])
        yield helper.make_node("Transpose", [f"four.{part}.{count}"], [f"{part}.{count}"], perm=[0, 2, 1, 3])
    yield helper.make_node("Attention", [f"{part}.{count}" for part in "qkv"], [f"mixed.{count}"])
    yield helper.make_node("Transpose", [f"mixed.{count}"], [f"back.{count}"], perm=[0, 2, 1, 3])
    yield helper.make_node("Reshape", [f"back.{count}", "together"], [y])


def _of_heads(x: str, y: str, count: int) -> Iterator[NodeProto]:
    yield from _split(x, "", count)
    read = [f"{part}.{count}" for part in "qkv"]
    yield helper.make_node("MultiHeadAttention", read, [y], domain="com.microsoft", num_heads=HEADS)


def _packed(x: str, y: str, count: int) -> Iterator[NodeProto]:
    read = [x, f"qkv.weight.{count}", f"qkv.bias.{count}"]
    yield helper.make_node("Attention", read, [y], domain="com.microsoft", num_heads=HEADS)


FORMS: dict[str, Callable[[str, str, int], Iterator[NodeProto]]] = {
    "Attention": _onnx_attention,
    "Attention, heads apart": _onnx_attention_of_heads,
    "onnxruntime's MultiHeadAttention": _of_heads,
    "onnxruntime's Attention": _packed,
}


def _onnx_file(path: Path, module: Tokens, form: str) -> Path:
    """Write the transformer without a class token, its attention in one of the forms."""
    given = _arrays(module)
    weights: Weights = {"place": given["place"], "head.weight": given["head.weight"].T}
    weights |= {"patch.weight": given["patch.weight"], "patch.bias": given["patch.bias"]}
    weights |= {"head.bias": given["head.bias"]}
    shapes = {
        "tokens": [0, WIDTH, PLACES],
        "by_head": [0, 0, HEADS, WIDTH // HEADS],
        "together": [0, 0, WIDTH],
    }
    nodes = [
        helper.make_node("Conv", ["x", "patch.weight", "patch.bias"], ["patches"], strides=[8, 8]),
        helper.make_node("Reshape", ["patches", "tokens"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["sequence"], perm=[0, 2, 1]),
        helper.make_node("Add", ["sequence", "place"], ["block0"]),
    ]
    for count in range(BLOCKS):
        packed = given[f"attention.{count}.in_proj_weight"].T, given[f"attention.{count}.in_proj_bias"]
        weights[f"qkv.weight.{count}"], weights[f"qkv.bias.{count}"] = packed
        for part, weight, bias in zip("qkv", *(np.split(one, 3, -1) for one in packed), strict=True):
            weights[f"{part}.weight.{count}"], weights[f"{part}.bias.{count}"] = weight, bias
        weights[f"out.weight.{count}"] = given[f"attention.{count}.out_proj.weight"].T
        weights[f"out.bias.{count}"] = given[f"attention.{count}.out_proj.bias"]
        weights[f"mlp.weight.{count}"] = given[f"mlp.{count}.weight"].T
        weights[f"mlp.bias.{count}"] = given[f"mlp.{count}.bias"]
        nodes += [
            _norm(f"block{count}", f"norm{count}"),
            *FORMS[form](f"norm{count}", f"attended{count}", count),
            helper.make_node("MatMul", [f"attended{count}", f"out.weight.{count}"], [f"out0.{count}"]),
            helper.make_node("Add", [f"out0.{count}", f"out.bias.{count}"], [f"out{count}"]),
            helper.make_node("Add", [f"block{count}", f"out{count}"], [f"middle{count}"]),
            helper.make_node("MatMul", [f"middle{count}", f"mlp.weight.{count}"], [f"mlp0.{count}"]),
            helper.make_node("Add", [f"mlp0.{count}", f"mlp.bias.{count}"], [f"mlp1.{count}"]),
            helper.make_node("Gelu", [f"mlp1.{count}"], [f"mlp{count}"]),
            helper.make_node("Add", [f"middle{count}", f"mlp{count}"], [f"block{count + 1}"]),
        ]
    nodes += [
        _norm(f"block{BLOCKS}", "norm"),
        helper.make_node("ReduceMean", ["norm", "axis"], ["mean"], keepdims=0),
        helper.make_node("Gemm", ["mean", "head.weight", "head.bias"], ["scores"]),
    ]
    whole: dict[str, Any] = {**weights, "axis": np.array([1]), "ones": np.ones(WIDTH, np.float32)}
    whole |= {name: np.array(shape) for name, shape in shapes.items()}
    graph = helper.make_graph(
        nodes,
        "tokens",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 40, 56])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in whole.items()],
    )
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)
    return path


def _norm(x: str, y: str) -> NodeProto:
    return helper.make_node("LayerNormalization", [x, "ones"], [y], axis=-1, epsilon=1e-5)


def _keras_file(path: Path, module: Tokens) -> Path:
    """Write the same as Keras does: heads on an axis of their own, the places' numbers added by a Dense layer."""
    given, groups = _arrays(module), dict[str, NDArray[np.float32]]()
    rows, columns = 5, 7
    layers = [
        input_layer((40, 56, 3), key="batch_shape"),
        layer("Conv2D", "patch", "photo", version=3, filters=WIDTH, kernel_size=[8, 8], strides=[8, 8]),
        layer("Reshape", "sequence", "patch", version=3, target_shape=[rows * columns, WIDTH]),
    ]
    groups |= _saved("conv2d", given["patch.weight"].transpose(2, 3, 1, 0), given["patch.bias"])
    before = "sequence"
    for count in range(BLOCKS):
        end = f"_{count}" if count else ""
        usual = {"key_dim": WIDTH // HEADS, "num_heads": HEADS, "attention_axes": [1]}
        norm = {"axis": [-1], "epsilon": 1e-5}
        dense = {"units": WIDTH, "activation": "gelu"}
        layers += [
            layer("LayerNormalization", f"norm{count}", before, version=3, **norm),
            layer("MultiHeadAttention", f"mix{count}", *[f"norm{count}"] * 2, version=3, **usual),
            layer("Add", f"middle{count}", before, f"mix{count}", version=3),
            layer("Dense", f"mlp{count}", f"middle{count}", version=3, **dense),
            layer("Add", f"block{count}", f"middle{count}", f"mlp{count}", version=3),
        ]
        before = f"block{count}"
        weight, bias = (given[f"attention.{count}.in_proj_{name}"] for name in ("weight", "bias"))
        size = (WIDTH, HEADS, WIDTH // HEADS)
        for part, one, shift in zip(
            ("query", "key", "value"), np.split(weight, 3), np.split(bias, 3), strict=True
        ):
            name = f"multi_head_attention{end}/{part}_dense"
            groups |= _saved(name, one.T.reshape(size), shift.reshape(size[1:]))
        out = given[f"attention.{count}.out_proj.weight"].T.reshape(HEADS, WIDTH // HEADS, WIDTH)
        groups |= _saved(
            f"multi_head_attention{end}/output_dense", out, given[f"attention.{count}.out_proj.bias"]
        )
        groups |= _saved(f"layer_normalization{end}", np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32))
        groups |= _saved(f"dense{end}", given[f"mlp.{count}.weight"].T, given[f"mlp.{count}.bias"])
    layers += [
        layer("LayerNormalization", "norm", before, version=3, axis=[-1], epsilon=1e-5),
        layer("GlobalAveragePooling1D", "mean", "norm", version=3),
        layer("Dense", "scores", "mean", version=3, units=3),
    ]
    groups |= _saved(f"layer_normalization_{BLOCKS}", np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32))
    groups |= _saved(f"dense_{BLOCKS}", given["head.weight"].T, given["head.bias"])
    return write_keras(path, functional("tokens", layers, ["photo"], ["scores"]), groups)


def _saved(group: str, *arrays: NDArray[np.float32]) -> Weights:
    return {f"layers/{group}/vars/{at}": array for at, array in enumerate(arrays)}


def _opened(form: str, module: Tokens, folder: Path) -> Network:
    if form == "Keras":
        return convscope.open_network(_keras_file(folder / "tokens.keras", module))
    return convscope.open_network(_onnx_file(folder / "tokens.onnx", module, form))


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
@pytest.mark.parametrize("form", [*FORMS, "Keras"])
def test_maps_through_attention_of_one_piece_are_torchs(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relevance_rules, "EPSILON", 1e-12)  # by hand there is none
    module = Tokens(MEAN).eval().requires_grad_(False)
    if form == "Keras":
        module.place.zero_()
    network, input = _opened(form, module, tmp_path), picture()
    own = input.permute(0, 2, 3, 1) if form == "Keras" else input

    x = input.clone().requires_grad_()
    score = module(x)[0, 1]
    (slope,) = torch.autograd.grad(score, x)
    assert float(convscope.saliency(network, own, 1).target.score) == pytest.approx(
        float(score.detach()), abs=1e-5
    )
    _close(convscope.gradient_times_input(network, own, 1).values, (slope * input)[0].permute(1, 2, 0))

    rows = rolled(module, input).mean(0).reshape(5, 7)
    _close(convscope.attention_rollout(network, own, 1).values, rows)

    answers, gradients = before_the_last(module, input)
    expected = (gradients.mean((1, 2), keepdim=True) * answers).sum(0)
    layer = f"block{BLOCKS - 2}" if form == "Keras" else f"block{BLOCKS - 1}"
    _close(convscope.grad_cam(network, own, 1, layer=layer).values, expected)
    assert (
        on_grid(network.channels_first(layer, network.activations(own, layer)[layer])).numel()
        == answers.numel()
    )

    shares = convscope.relevance(network, own, 1, rule="epsilon")
    expected = relevance_by_hand(module, input, 1)
    # Single precision shows: a relevance of 1 is the sum of ones of up to 200.
    np.testing.assert_allclose(shares.values, expected, rtol=0.02, atol=5e-3 * float(expected.abs().max()))
    assert f"In {BLOCKS} products a gate gets nothing." in shares.how


def _close(found: NDArray[np.float64], expected: Tensor) -> None:
    assert expected.std() > 1e-4
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-4, atol=2e-6)
