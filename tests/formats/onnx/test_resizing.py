"""Resize and Upsample of every version beside onnxruntime: sizes and values, at scales that are not lucky."""

import numpy as np
import onnx
import pytest
from onnx import helper

from .oracle import assert_agrees, model_of

COORDINATES = ["half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners"]
NEAREST = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
NONE = np.array([], np.float32)  # opset 11 has no left-out inputs in the middle


def resized(path, opset, size, operands, constants, op_type="Resize", **attributes):
    nodes = [helper.make_node(op_type, ["x", *operands], ["y"], **attributes)]
    onnx.save(model_of(nodes, {"x": [1, 2, *size]}, ["y"], constants, opset), path)
    return assert_agrees(path, relative=2e-4)


def chance(seed):
    rng = np.random.default_rng(seed)
    size = tuple(int(n) for n in rng.integers(2, 40, 2))
    scales = np.round(rng.uniform(0.2, 2.5, 2), 2)
    scales = np.maximum(scales, 2.9 / np.array(size))
    return rng, size, np.array([1, 1, *scales], np.float32)


@pytest.mark.parametrize("part", range(5))
def test_five_hundred_random_scales(part, tmp_path) -> None:
    """20 pixels times 0.65 are 13: the product is taken in single precision."""
    for seed in range(100 * part, 100 * part + 100):
        rng, size, scales = chance(seed)
        attributes = {
            "mode": str(rng.choice(["nearest", "linear", "cubic"])),
            "coordinate_transformation_mode": str(rng.choice(COORDINATES)),
            "nearest_mode": str(rng.choice(NEAREST)),
        }
        opset = int(rng.choice([11, 13, 18, 19]))
        if attributes["coordinate_transformation_mode"] == "half_pixel_symmetric":
            opset = 19
            # Its places often lie halfway but for the last bit, and nearest then is either pixel.
            attributes["mode"] = str(rng.choice(["linear", "cubic"]))
        resized(tmp_path / "net.onnx", opset, size, ["r", "s"], {"r": NONE, "s": scales}, **attributes)


def test_sizes_of_random_scales_before_opset_11(tmp_path) -> None:
    for seed in range(60):
        rng, size, scales = chance(seed)
        mode = str(rng.choice(["nearest", "linear"]))
        if seed % 2:
            resized(tmp_path / "net.onnx", 10, size, ["s"], {"s": scales}, mode=mode)
        else:
            up = np.maximum(scales, 1)
            resized(tmp_path / "net.onnx", 9, size, ["s"], {"s": up}, "Upsample", mode=mode)
            listed = [float(scale) for scale in up]
            resized(tmp_path / "net.onnx", 7, size, [], {}, "Upsample", mode=mode, scales=listed)


def test_the_first_upsample_of_all(tmp_path) -> None:
    """Opset 1 names height and width; onnxruntime no longer reads it, opset 7 says the same."""
    from convscope import open_network

    node = helper.make_node("Upsample", ["x"], ["y"], height_scale=1.5, width_scale=2.5, mode="nearest")
    onnx.save(model_of([node], {"x": [1, 2, 5, 3]}, ["y"], opset=1), tmp_path / "net.onnx")
    assert open_network(tmp_path / "net.onnx").shapes["y"] == (1, 2, 7, 7)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("exclude", [0, 1])
def test_antialias_beside_onnxruntime(mode, exclude, tmp_path) -> None:
    for seed in range(10):
        _, size, scales = chance(seed)
        constants = {"s": scales * np.array([1, 1, 0.4, 0.37], np.float32)}
        attributes = {"mode": mode, "antialias": 1, "exclude_outside": exclude, "cubic_coeff_a": -0.5}
        resized(tmp_path / "net.onnx", 18, size, ["", "s"], constants, **attributes)


def test_exclude_outside_beside_onnxruntime(tmp_path) -> None:
    for seed in range(10):
        _, size, scales = chance(seed)
        resized(tmp_path / "net.onnx", 13, size, ["", "s"], {"s": scales}, mode="cubic", exclude_outside=1)


@pytest.mark.parametrize(
    "sizes", [{"n": np.array([1, 2, 7, 9])}, {"s": np.array([1, 1, 1.4, 0.8], np.float32)}]
)
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_a_region_and_what_lies_outside(mode, sizes, tmp_path) -> None:
    constants = {"r": np.array([0, 0, 0.15, -0.2, 1, 1, 0.83, 1.27], np.float32), **sizes}
    resized(
        tmp_path / "net.onnx",
        13,
        (11, 6),
        ["r", "", "n"] if "n" in sizes else ["r", "s"],
        constants,
        mode=mode,
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=7.5,
    )


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_kept_aspects_and_some_axes(policy, tmp_path) -> None:
    constants = {"n": np.array([17, 9], np.int64)}
    resized(
        tmp_path / "net.onnx",
        18,
        (7, 11),
        ["", "", "n"],
        constants,
        mode="linear",
        keep_aspect_ratio_policy=policy,
        axes=[3, 2],
    )
