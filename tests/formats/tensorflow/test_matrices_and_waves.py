"""Matrices, complex numbers, colors, places that the picture says, and branches: each beside numpy."""

import colorsys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convscope import ConvscopeWarning, Network, open_network
from graph_def_writer import GraphWriter

X = np.random.default_rng(8).normal(0, 2, (3, 4, 4)).astype(np.float32)
LONG = X.reshape(3, 16)
COLORS = np.random.default_rng(9).uniform(0, 1, (1, 2, 6, 3)).astype(np.float32)
COLORS[0, 0, :3] = [[0.5, 0.5, 0.5], [0, 0, 0], [0.3, 0.7, 0.7]]


def opened(g: GraphWriter, folder: Path, shape: tuple[int, ...]) -> Network:
    return open_network(g.save(folder / "net.pb"), input_shape=shape)


def answer(folder: Path, write: Callable[[GraphWriter, str], str], x: np.ndarray) -> np.ndarray:
    g = GraphWriter()
    g.node("Neg", "answer", write(g, g.placeholder(shape=x.shape)))
    network = opened(g, folder, x.shape)
    assert not network.graph.cut
    return -network.activations(torch.from_numpy(x), "answer")["answer"].numpy()


def pairs(x: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.stack([function(matrix) for matrix in x])


def hsv(x: np.ndarray, change: Callable[..., tuple[float, ...]] = colorsys.rgb_to_hsv) -> np.ndarray:
    return np.array([change(*color) for color in x.reshape(-1, 3).tolist()]).reshape(x.shape)


def turned(r: float, g: float, b: float) -> tuple[float, ...]:
    h, s, v = colorsys.rgb_to_hsv(r, g, b)
    return colorsys.hsv_to_rgb((h - 0.7) % 1, s, v)


def faded(r: float, g: float, b: float) -> tuple[float, ...]:
    h, s, v = colorsys.rgb_to_hsv(r, g, b)
    return colorsys.hsv_to_rgb(h, min(1, 1.6 * s), v)


def diagonal_inputs(g: GraphWriter, offset: int) -> list[str]:
    return [g.const(f"c{at}", np.int32(value)) for at, value in enumerate((offset, -1, -1))] + [
        g.const("filling", np.float32(0))
    ]


def complex_of(g: GraphWriter, x: str) -> str:
    return g.node("Complex", "complex", x, g.node("Neg", "minus", x), T="DT_FLOAT", Tout="DT_COMPLEX64")


def part(g: GraphWriter, op: str, x: str) -> str:
    return g.node(op, "part", x, T="DT_COMPLEX64", Tout="DT_FLOAT")


SQUARE = X @ X.transpose(0, 2, 1) + 3 * np.eye(4, dtype=np.float32)
Z = LONG - 1j * LONG
CASES: dict[str, tuple[Callable[[GraphWriter, str], str], np.ndarray, np.ndarray]] = {
    "MatrixDiagV3": (
        lambda g, x: g.node("MatrixDiagV3", "y", x, *diagonal_inputs(g, -2)),
        LONG,
        pairs(LONG, lambda row: np.diag(row, -2)),
    ),
    "MatrixDiag": (lambda g, x: g.node("MatrixDiag", "y", x), LONG, pairs(LONG, np.diag)),
    "MatrixDiagPartV2": (
        lambda g, x: g.node(
            "MatrixDiagPartV2", "y", x, g.const("k", np.int32(1)), g.const("f", np.float32(0))
        ),
        X,
        pairs(X, lambda matrix: np.diag(matrix, 1)),
    ),
    "MatrixSetDiag": (
        lambda g, x: g.node(
            "MatrixSetDiag", "y", x, g.node("MatrixDiagPart", "part", g.node("Neg", "minus", x))
        ),
        X,
        X * (1 - 2 * np.eye(4)),
    ),
    "MatrixBandPart": (
        lambda g, x: g.node(
            "MatrixBandPart", "y", x, g.const("below", np.int32(1)), g.const("above", np.int32(2))
        ),
        X,
        np.triu(np.tril(X, 2), -1),
    ),
    "MatrixInverse": (
        lambda g, x: g.node("MatrixInverse", "y", x),
        SQUARE,
        np.linalg.inv(SQUARE.astype(float)),
    ),
    "MatrixDeterminant": (
        lambda g, x: g.node("MatrixDeterminant", "y", x),
        X,
        np.linalg.det(X.astype(float)),
    ),
    "Cholesky": (lambda g, x: g.node("Cholesky", "y", x), SQUARE, np.linalg.cholesky(SQUARE.astype(float))),
    "MatrixSolve": (
        lambda g, x: g.node("MatrixSolve", "y", x, g.const("right", X)),
        SQUARE,
        np.linalg.solve(SQUARE.astype(float), X),
    ),
    "TruncateDiv": (
        lambda g, x: g.node(
            "TruncateDiv",
            "y",
            g.node("Cast", "whole", x, SrcT="DT_FLOAT", DstT="DT_INT32", T=None),
            g.const("three", np.int32(-3)),
            T="DT_INT32",
        ),
        LONG * 5,
        np.trunc(np.trunc(LONG * 5) / -3),
    ),
    "RGBToHSV": (lambda g, x: g.node("RGBToHSV", "y", x), COLORS, hsv(COLORS)),
    "HSVToRGB": (lambda g, x: g.node("HSVToRGB", "y", x), COLORS, hsv(COLORS, colorsys.hsv_to_rgb)),
    "AdjustHue": (
        lambda g, x: g.node("AdjustHue", "y", x, g.const("turn", np.float32(-0.7))),
        COLORS,
        hsv(COLORS, turned),
    ),
    "AdjustSaturation": (
        lambda g, x: g.node("AdjustSaturation", "y", x, g.const("scale", np.float32(1.6))),
        COLORS,
        hsv(COLORS, faded),
    ),
    "AdjustContrastv2": (
        lambda g, x: g.node("AdjustContrastv2", "y", x, g.const("factor", np.float32(1.6))),
        COLORS,
        (COLORS - COLORS.mean((1, 2), keepdims=True)) * 1.6 + COLORS.mean((1, 2), keepdims=True),
    ),
    "FFT": (
        lambda g, x: part(g, "ComplexAbs", g.node("FFT", "y", complex_of(g, x), T=None)),
        LONG,
        abs(np.fft.fft(Z)),
    ),
    "IFFT2D": (
        lambda g, x: part(g, "Imag", g.node("IFFT2D", "y", complex_of(g, x), T=None)),
        LONG,
        np.fft.ifft2(Z).imag,
    ),
    "RFFT": (
        lambda g, x: part(
            g,
            "Real",
            g.node(
                "Conj",
                "conj",
                g.node("RFFT", "y", x, g.const("length", np.int32([21])), T=None),
                T="DT_COMPLEX64",
            ),
        ),
        LONG,
        np.fft.rfft(LONG, 21).real,
    ),
    "IRFFT": (
        lambda g, x: g.node(
            "IRFFT",
            "z",
            g.node("RFFT", "y", x, g.const("length", np.int32([16])), T=None),
            g.const("back", np.int32([13])),
            T=None,
        ),
        LONG,
        np.fft.irfft(np.fft.rfft(LONG), 13),
    ),
    "Angle": (lambda g, x: part(g, "Angle", complex_of(g, x)), LONG, np.angle(Z)),
    "GatherV2 in the batch": (
        lambda g, x: g.node(
            "GatherV2",
            "y",
            x,
            g.const("places", np.int32([[1, 0], [3, 3], [2, 1]])),
            g.const("axis", np.int32(2)),
            batch_dims=1,
        ),
        X,
        np.stack([X[row][:, places] for row, places in enumerate([[1, 0], [3, 3], [2, 1]])]),
    ),
    "Select of rows": (
        lambda g, x: g.node(
            "Select", "y", g.const("which", np.array([True, False, True])), x, g.node("Neg", "minus", x)
        ),
        X,
        X * np.float32([1, -1, 1])[:, None, None],
    ),
    "ClipByValue between computed limits that cross": (
        lambda g, x: g.node(
            "ClipByValue",
            "y",
            x,
            g.node("Max", "most", x, g.const("all", np.int32([0, 1, 2]))),
            g.node("Min", "least", x, g.const("all_too", np.int32([0, 1, 2]))),
        ),
        X,
        np.full_like(X, X.max()),
    ),
    "Where": (
        lambda g, x: g.node(
            "GatherNd",
            "y",
            x,
            g.node("Where", "places", g.node("Greater", "more", x, g.const("one", np.float32(1)))),
        ),
        X,
        X[X > 1],
    ),
    "Shape of what Where found": (
        lambda g, x: g.node(
            "Shape",
            "y",
            g.node("Where", "places", g.node("Greater", "more", x, g.const("one", np.float32(1)))),
        ),
        X,
        np.array([(X > 1).sum(), 3]),
    ),
    "ShapeN and ListDiff": (
        lambda g, x: g.node(
            "Sum",
            "y",
            x,
            g.node(
                "ListDiff",
                "left",
                g.node("ShapeN", "sizes", x, x) + ":1",
                g.const("taken", np.int32([4])),
                T="DT_INT32",
            )
            + ":1",
        ),
        X[:2],
        X[:2].sum(0),
    ),
    "Sum of nothing": (
        lambda g, x: g.node(
            "Sum",
            "y",
            g.node(
                "Slice",
                "none",
                x,
                g.const("begin", np.int32([0, 0, 0])),
                g.const("size", np.int32([-1, 0, -1])),
            ),
            g.const("axis", np.int32([1])),
        ),
        X,
        np.zeros((3, 4)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_op_gives_numpys_numbers(name: str, tmp_path: Path) -> None:
    write, x, expected = CASES[name]
    found = answer(tmp_path, write, x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_what_is_complex_is_not_taken_for_pairs_of_numbers(tmp_path: Path) -> None:
    g = GraphWriter()
    x = g.placeholder(shape=LONG.shape)
    waves = g.node("FFT", "waves", complex_of(g, x), T=None)
    g.node("Mul", "product", waves, waves, T="DT_COMPLEX64")
    g.node("Shape", "sizes", waves, T="DT_COMPLEX64")
    with pytest.warns(ConvscopeWarning, match="a Mul of complex numbers"):
        assert {"product", "sizes"} <= set(opened(g, tmp_path, LONG.shape).graph.cut)


def _function(graph: Any, name: str, inputs: list[str], returns: list[str]) -> tuple[Any, GraphWriter]:
    made = graph.library.function.add()
    made.signature.name = name
    for argument in inputs:
        made.signature.input_arg.add(name=argument)
    for at, value in enumerate(returns):
        made.signature.output_arg.add(name=f"r{at}")
        made.ret.add(key=f"r{at}", value=value)
    return made, GraphWriter()


def _choice(tmp_path: Path, returns: tuple[list[str], list[str]]) -> Network:
    """A StatelessIf whose truth the picture says; a function with the negative, half and first rows of it."""
    g = GraphWriter()
    x = g.placeholder(shape=X.shape)
    mean = g.node("Sum", "sum", x, g.const("axes", np.int32([0, 1, 2])))
    node = g.message.node.add(
        name="choice",
        op="StatelessIf",
        input=[g.node("Greater", "more", mean, g.const("none", np.float32(0))), x],
    )
    for attribute, names in zip(("then_branch", "else_branch"), returns, strict=True):
        node.attr.add(key=attribute).value.func.name = attribute
        made, writer = _function(g.message, attribute, ["x"], names)
        writer.node("Neg", "negative", "x")
        writer.node("Sign", "sign", "x")
        writer.node("Max", "first", "x", writer.const("axis", np.int32([0])) + ":output:0", keep_dims=True)
        made.node_def.extend(writer.message.node)
    g.node("Neg", "answer", "choice")
    g.node("Neg", "second", "choice:1")
    return opened(g, tmp_path, X.shape)


def test_a_branch_that_the_picture_takes(tmp_path: Path) -> None:
    network = _choice(tmp_path, (["negative:y:0", "x"], ["sign:y:0", "negative:y:0"]))
    assert not network.graph.cut
    for x in (X + 1, X - 1):
        found = network.activations(torch.from_numpy(x), "answer", "second")
        np.testing.assert_allclose(found["answer"], x if x.sum() > 0 else -np.sign(x), rtol=1e-6)
        np.testing.assert_allclose(found["second"], -x if x.sum() > 0 else x, rtol=1e-6)


def test_branches_of_different_shapes_are_cut(tmp_path: Path) -> None:
    with pytest.warns(ConvscopeWarning, match="whose branches give different shapes"):
        network = _choice(tmp_path, (["first:output:0", "x"], ["sign:y:0", "x"]))
    assert "answer" in network.graph.cut and "second" not in network.graph.cut


def test_a_functions_node_reads_each_output_by_its_name(tmp_path: Path) -> None:
    """What CombinedNonMaxSuppression gives is read by names in a SavedModel; boxes were taken for all of it."""
    g = GraphWriter()
    boxes = np.float32([[0, 0, 1, 1], [0, 0, 0.9, 1], [0.5, 0.5, 2, 2], [3, 3, 4, 4]]).reshape(1, 4, 1, 4)
    scores = g.placeholder(shape=(1, 4, 2))
    node = g.message.node.add(name="detected", op="PartitionedCall", input=[scores])
    node.attr.add(key="f").value.func.name = "detect"
    names = ("nmsed_scores", "nmsed_classes", "valid_detections")
    made, writer = _function(g.message, "detect", ["scores"], [f"best:{name}:0" for name in names])
    limits = [writer.const(f"c{at}", value) for at, value in enumerate(
        (np.int32(2), np.int32(3), np.float32(0.5), np.float32(0.2)))]  # fmt: skip
    writer.node("CombinedNonMaxSuppression", "best", writer.const("boxes", boxes) + ":output:0", "scores",
                *(f"{limit}:output:0" for limit in limits), T=None)  # fmt: skip
    made.node_def.extend(writer.message.node)
    for at in range(3):
        g.node("Neg", f"n{at}", f"detected:{at}" if at else "detected")
    network = opened(g, tmp_path, (1, 4, 2))
    x = torch.tensor([[[0.9, 0.1], [0.8, 0.3], [0.4, 0.1], [0.1, 0.7]]])
    found = network.activations(x, "n0", "n1", "n2")
    assert [(-value).reshape(-1).tolist() for value in found.values()] == [
        pytest.approx([0.9, 0.7, 0.4]), [0, 1, 0], [3]
    ]  # fmt: skip
