"""Colors of pictures, along the last axis, as `tf.image` changes them."""

from __future__ import annotations

from typing import Any

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.translation import Operands, refuse, translates

_SPACES = {"RGBToHSV": "rgb_to_hsv", "HSVToRGB": "hsv_to_rgb"}
_ADJUSTED = {"AdjustHue": "hue", "AdjustSaturation": "saturation"}


@translates(*_SPACES)
def _space(operands: Operands) -> OperationPlan:
    return OperationPlan(_SPACES[operands.node.op], [operands.value(0)])


@translates(*_ADJUSTED, "AdjustContrastv2")
def _adjusted(operands: Operands) -> OperationPlan:
    """Hue turned, saturation times a factor, or each channel's distance from its mean times one."""
    factor = operands.known(1)
    if factor is None or factor.size != 1:
        raise refuse(operands.node, "whose strength is worked out from the picture")
    if operands.node.op == "AdjustContrastv2":
        axes = (len(operands.shape(0)) - 3, len(operands.shape(0)) - 2)
        return OperationPlan(
            "stretch_contrast", [operands.value(0)], {}, {"factor": float(factor.item()), "axes": axes}
        )
    attributes: dict[str, Any] = {_ADJUSTED[operands.node.op]: float(factor.item())}
    return OperationPlan("adjust_colors", [operands.value(0)], {}, attributes)
