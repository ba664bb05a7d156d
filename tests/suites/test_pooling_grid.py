"""Every setting of ONNX's poolings beside onnxruntime: zero wrong, none refused.

One network a setting would be slow to open: all settings of an operator on a picture of one size are one network's.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from convscope import open_network
from formats.onnx.oracle import assert_agrees, every_value, model_of

Setting = dict[str, Any]

KERNELS, STRIDES, DILATIONS = (1, 2, 3, 5), (1, 2, 3, 4), (1, 2)
PADS = ((0, 0), (1, 1), (0, 1), (2, 1))
OWN: dict[str, tuple[Setting, ...]] = {
    "MaxPool": ({},),
    "AveragePool": ({"count_include_pad": 0}, {"count_include_pad": 1}),
    "LpPool": ({"p": 1}, {"p": 3}),
}


def settings(own: tuple[Setting, ...]) -> Iterator[Setting]:
    """Give each setting; the other axis has one of its own, so that no mistaken axis goes unseen."""
    for kernel, stride, dilation, ceil, more in product(KERNELS, STRIDES, DILATIONS, (0, 1), own):
        window = {"kernel_shape": [kernel, 3], "strides": [stride, 2], "dilations": [dilation, 1], **more}
        for pads in PADS:
            if max(pads) < kernel:
                yield window | {"ceil_mode": ceil, "pads": [pads[0], 0, pads[1], 1]}
        if not ceil and dilation == 1 and kernel >= stride:  # onnxruntime would pad by less than nothing
            yield from (window | {"auto_pad": auto} for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"))


def model_of_settings(op_type: str, grid: list[Setting], height: int) -> Any:
    """Return a model whose outputs y0, y1, ... are a pooling each."""
    nodes = [helper.make_node(op_type, ["x"], [f"y{at}"], **setting) for at, setting in enumerate(grid)]
    return model_of(nodes, {"x": [1, 2, height, 8]}, [node.output[0] for node in nodes], opset=19)


@pytest.mark.parametrize("height", [12, 13])
@pytest.mark.parametrize("op_type", OWN)
def test_every_setting_agrees_with_onnxruntime(op_type: str, height: int, tmp_path: Path) -> None:
    grid = list(settings(OWN[op_type]))
    onnx.save(model_of_settings(op_type, grid, height), tmp_path / "net.onnx")
    network = assert_agrees(tmp_path / "net.onnx")
    assert network.graph.producers.keys() >= {f"y{at}" for at in range(len(grid))}  # none was cut off
    assert len(grid) > 200


def spelled_out(setting: Setting, height: int) -> Setting:
    """Return a SAME setting with the pads that ONNX's standard works out."""
    plain, pads = {key: value for key, value in setting.items() if key != "auto_pad"}, []
    axes = zip((height, 8), setting["kernel_shape"], setting["strides"], setting["dilations"], strict=True)
    for size, kernel, stride, dilation in axes:
        needed = max(0, (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size)
        less, more = needed // 2, needed - needed // 2
        pads.append((less, more) if setting["auto_pad"] == "SAME_UPPER" else (more, less))
    return plain | {"pads": [first for first, _ in pads] + [last for _, last in pads]}


@pytest.mark.parametrize("op_type", OWN)
def test_same_with_gaps_pads_as_the_standard_says(op_type: str, tmp_path: Path) -> None:
    """onnxruntime leaves the gaps out when it works out the pads itself; with the pads spelled out it agrees."""
    grid = [
        {"kernel_shape": [kernel, 3], "strides": [stride, 2], "dilations": [2, 1], "auto_pad": auto, **more}
        for kernel, stride, more in product((2, 3), (1, 2, 3), OWN[op_type])
        for auto in ("SAME_UPPER", "SAME_LOWER")
    ]
    onnx.save(model_of_settings(op_type, grid, 13), tmp_path / "net.onnx")
    x = np.random.default_rng(3).normal(size=(1, 2, 13, 8)).astype(np.float32)
    names = [f"y{at}" for at in range(len(grid))]
    oracle = model_of_settings(op_type, [spelled_out(setting, 13) for setting in grid], 13)
    expected = every_value(oracle, names, {"x": x})
    found = open_network(tmp_path / "net.onnx").activations({"x": torch.from_numpy(x)}, *names)
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)
