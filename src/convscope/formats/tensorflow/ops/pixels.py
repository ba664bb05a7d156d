"""Margins, sizes and blocks of pixels."""

from __future__ import annotations

from typing import Any

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.ops.convolution import LAST, layout
from convscope.formats.tensorflow.translation import Operands, Translator, refuse, translates, whole_numbers


@translates("Pad", "PadV2", "MirrorPad")
def _pad(operands: Operands) -> OperationPlan:
    node = operands.node
    numbers = whole_numbers(operands, 1, "margins")
    before, behind = list(numbers[::2]), list(numbers[1::2])
    if len(before) > 2 and not any(sides[at] for sides in (before, behind) for at in (0, -1)):
        before, behind = before[1:-1], behind[1:-1]
        attributes: dict[str, Any] = {**LAST, "padding": (*before, *behind), "axis": 2}
    else:
        attributes = {"padding": (*before, *behind), "axis": 0}
    if node.op == "PadV2":
        fill = operands.known(2)
        if fill is None:
            raise refuse(node, "whose filling is worked out from the picture")
        attributes["value"] = float(fill.item())
    if node.op == "MirrorPad":
        if node.text("mode") not in ("REFLECT", "SYMMETRIC"):
            raise refuse(node, f"in the mode {node.text('mode')!r}")
        attributes["mode"] = node.text("mode").lower()
    return OperationPlan("pad", [operands.value(0)], attributes=attributes)


_RESIZES = {"ResizeBilinear": "linear", "ResizeNearestNeighbor": "nearest", "ResizeBicubic": "cubic"}


@translates(*_RESIZES)
def _resize(operands: Operands) -> OperationPlan:
    """TensorFlow 1 counted pixels by their corners: pixel x of the output lies at x / scale of the input."""
    node = operands.node
    height, width = whole_numbers(operands, 1, "size")
    corners, centers = node.flag("align_corners"), node.flag("half_pixel_centers")
    attributes: dict[str, Any] = {
        **LAST,
        "shape": (0, 0, height, width),
        "interpolation": _RESIZES[node.op],
        "coordinates": "align_corners" if corners else "half_pixel" if centers else "asymmetric",
    }
    if node.op == "ResizeNearestNeighbor":
        attributes["nearest"] = "round_prefer_ceil" if corners else "floor"
        if not corners:  # TensorFlow multiplies: of 28 pixels it takes the eighth for the seventeenth of 64
            attributes["coordinates"] = "half_pixel_ratio" if centers else "asymmetric_ratio"
    if node.op == "ResizeBicubic":
        attributes |= {"cubic": -0.5 if centers else -0.75, "exclude_outside": centers, "subpixels": 1024}
    return OperationPlan("resize", [operands.value(0)], attributes=attributes)


_KERNELS = {
    "triangle": "linear",
    "keyscubic": "cubic",
    "lanczos3": "lanczos3",
    "lanczos5": "lanczos5",
    "gaussian": "gaussian",
    "mitchellcubic": "mitchell",
}


@translates("ScaleAndTranslate")
def _scale_and_translate(operands: Operands) -> OperationPlan:
    """What `tf.image.resize` becomes for the wider filters, and with antialias: to a size, moved nowhere."""
    node, (height, width) = operands.node, _size(operands, 1)
    scale, translation = operands.known(2), operands.known(3)
    before, kernel = operands.shape(0)[1:3], node.text("kernel_type") or "lanczos3"
    if (
        scale is None
        or translation is None
        or any(float(one) for one in translation.ravel())
        or kernel not in _KERNELS
    ):
        raise refuse(node, f"that moves the picture, or by the kernel {kernel!r}")
    stretched = [size / length for size, length in zip((height, width), before, strict=True)]
    if any(abs(float(one) - by) > 1e-5 * by for one, by in zip(scale.ravel(), stretched, strict=True)):
        raise refuse(node, "that shows a part of the picture")
    if (
        scale.dtype != object
    ):  # fixed in the file: at another size a part of the picture is shown, which is noted
        for now, length in zip(operands.sizes(0)[1:3], before, strict=True):
            if now != length:
                raise refuse(node, "that shows a part of the picture")
    attributes = {
        **LAST,
        "shape": (0, 0, height, width),
        "interpolation": _KERNELS[kernel],
        "cubic": -0.5,
        "exclude_outside": True,
        "antialias": node.flag("antialias") or "antialias" not in node.attributes,
    }
    return OperationPlan("resize", [operands.value(0)], {}, attributes)


@translates("ResizeArea")
def _resize_area(operands: Operands) -> OperationPlan:
    attributes = {**LAST, "size": _size(operands, 1), "corners": operands.node.flag("align_corners")}
    return OperationPlan("resize_area", [operands.value(0)], {}, attributes)


@translates("CropAndResize")
def _crop_and_resize(operands: Operands) -> OperationPlan:
    node = operands.node
    attributes = {
        **LAST,
        "size": _size(operands, 3),
        "interpolation": node.text("method") or "bilinear",
        "outside": node.number("extrapolation_value", 0.0),
    }
    return OperationPlan("crop_and_resize", [operands.value(place) for place in range(3)], {}, attributes)


def _size(operands: Operands, place: int) -> tuple[int, int]:
    height, width = whole_numbers(operands, place, "size")
    return height, width


def _rearranged(kind: str) -> Translator:
    def translate(operands: Operands) -> OperationPlan:
        attributes = {**layout(operands.node), "block": operands.node.integer("block_size")}
        return OperationPlan(kind, [operands.value(0)], attributes=attributes)

    return translate


translates("DepthToSpace")(_rearranged("depth_to_space"))
translates("SpaceToDepth")(_rearranged("space_to_depth"))


def _blocks(operands: Operands, kind: str, what: str) -> OperationPlan:
    block, margins = whole_numbers(operands, 1, "block"), whole_numbers(operands, 2, what)
    if len(block) != len(operands.shape(0)) - 2:
        raise refuse(operands.node, f"of {len(block)} axes")
    pairs = tuple(zip(margins[::2], margins[1::2], strict=True))
    attributes = {**LAST, "block": tuple(int(size) for size in block), what: pairs}
    return OperationPlan(kind, [operands.value(0)], attributes=attributes)


def _batched(kind: str, margins: str) -> Translator:
    return lambda operands: _blocks(operands, kind, margins)


def _old_blocks(kind: str, what: str) -> Translator:
    """Return the translation of an op whose blocks are squares, told by an attribute."""

    def translate(operands: Operands) -> OperationPlan:
        margins = [int(size) for size in whole_numbers(operands, 1, what)]
        block = operands.node.integer("block_size")
        attributes = {
            **LAST,
            "block": (block, block),
            what: tuple(zip(margins[::2], margins[1::2], strict=True)),
        }
        return OperationPlan(kind, [operands.value(0)], {}, attributes)

    return translate


translates("SpaceToBatch")(_old_blocks("space_to_batch", "padding"))
translates("BatchToSpace")(_old_blocks("batch_to_space", "crops"))
translates("SpaceToBatchND")(_batched("space_to_batch", "padding"))
translates("BatchToSpaceND")(_batched("batch_to_space", "crops"))
