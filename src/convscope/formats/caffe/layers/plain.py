"""Layers without learned numbers: what they do to each number, to shapes and to several blobs."""

from __future__ import annotations

from typing import Any

from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import incomplete, wrong
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan


def _same_words(type_name: str, kind: str, parameters: str = "", **keywords: str) -> None:
    """Register a layer whose fields are the operation's keywords, up to their names."""

    @register_layer(type_name)
    def _translate(layer: Message) -> OperationPlan:
        fields = getattr(layer, parameters) if parameters else None
        return OperationPlan(
            kind, attributes={keyword: getattr(fields, field) for keyword, field in keywords.items()}
        )


_same_words("Swish", "swish", "swish_param", beta="beta")
_same_words("Sigmoid", "sigmoid")
_same_words("TanH", "tanh")
_same_words("AbsVal", "absolute")
_same_words("BNLL", "bnll")
_same_words("Threshold", "threshold", "threshold_param", threshold="threshold")
_same_words("Power", "power", "power_param", power="power", scale="scale", shift="shift")
_same_words("Softmax", "softmax", "softmax_param", axis="axis")
_same_words(
    "MVN",
    "mvn",
    "mvn_param",
    across_channels="across_channels",
    normalize_variance="normalize_variance",
    epsilon="eps",
)
_same_words("Flatten", "flatten", "flatten_param", axis="axis", end_axis="end_axis")
_same_words("Dropout", "identity")
_same_words("BatchReindex", "batch_reindex")


@register_layer("ReLU")
def _relu(layer: Message) -> OperationPlan:
    slope, capped = layer.relu_param.negative_slope, layer.relu_param.relu6  # a fork's: nothing above 6
    return capped_at_6(slope) if capped else OperationPlan("relu", attributes={"negative_slope": slope})


def capped_at_6(slope: float) -> OperationPlan:
    """Return a ReLU that gives nothing above 6, and `slope` times what is below 0."""
    if not slope:
        return OperationPlan("clip", attributes={"minimum": 0.0, "maximum": 6.0})
    leaky = {"threshold": 0.0, "negative_slope": slope, "maximum": 6.0}
    return OperationPlan("thresholded_relu", attributes=leaky)


@register_layer("Filter")
def _filter(layer: Message) -> OperationPlan:
    if len(layer.bottom) == 1 == len(layer.top):  # channel pruning has another layer of that name
        raise incomplete(layer, "it has no selector")
    if len(layer.bottom) != len(layer.top) + 1:
        raise wrong(layer, f"{len(layer.top)} tops need as many bottoms and a selector")
    return OperationPlan("filter")


@register_layer("Clip")
def _clip(layer: Message) -> OperationPlan:
    parameters = layer.clip_param
    if not (parameters.has("min") and parameters.has("max")):
        raise wrong(layer, "min and max must both be given")
    return OperationPlan("clip", attributes={"minimum": parameters.min, "maximum": parameters.max})


@register_layer("Exp")
def _exp(layer: Message) -> OperationPlan:
    return OperationPlan("exp", attributes=_exponential(layer, layer.exp_param))


@register_layer("Log")
def _log(layer: Message) -> OperationPlan:
    return OperationPlan("log", attributes=_exponential(layer, layer.log_param))


def _exponential(layer: Message, parameters: Message) -> dict[str, Any]:
    base = parameters.base
    if base != -1 and base <= 0:
        raise wrong(layer, f"base must be positive, or -1 for e, found {base}")
    return {"base": None if base == -1 else base, "scale": parameters.scale, "shift": parameters.shift}


@register_layer("Eltwise")
def _eltwise(layer: Message) -> OperationPlan:
    parameters, coefficients = layer.eltwise_param, tuple(float(c) for c in layer.eltwise_param.coeff)
    if len(coefficients) not in (0, len(layer.bottom)):
        raise wrong(layer, f"{len(coefficients)} coefficients for {len(layer.bottom)} bottoms")
    if parameters.operation == "SUM":
        return OperationPlan("eltwise_sum", attributes={"coefficients": coefficients})
    if coefficients and parameters.operation == "PROD":
        raise wrong(layer, "only a sum takes coefficients")
    return OperationPlan({"PROD": "eltwise_product", "MAX": "eltwise_max"}[parameters.operation])


@register_layer("Concat")
def _concat(layer: Message) -> OperationPlan:
    parameters = layer.concat_param
    return OperationPlan(
        "concat",
        attributes={"axis": parameters.concat_dim if parameters.has("concat_dim") else parameters.axis},
    )


@register_layer("Slice")
def _slice(layer: Message) -> OperationPlan:
    parameters, points = layer.slice_param, tuple(int(point) for point in layer.slice_param.slice_point)
    if points and len(points) != len(layer.top) - 1:
        raise wrong(
            layer, f"{len(layer.top)} tops need {len(layer.top) - 1} slice points, found {len(points)}"
        )
    axis = parameters.slice_dim if parameters.has("slice_dim") else parameters.axis
    return OperationPlan("slice", attributes={"axis": axis, "points": points, "parts": len(layer.top)})


@register_layer("Split")
def _split(layer: Message) -> OperationPlan:
    return OperationPlan("split", attributes={"copies": len(layer.top)})


@register_layer("Reshape")
def _reshape(layer: Message) -> OperationPlan:
    parameters = layer.reshape_param
    if parameters.pixelshuffler > 1:  # Synopsys's
        return OperationPlan(
            "depth_to_space", attributes={"block": parameters.pixelshuffler, "order": "column"}
        )
    shape = tuple(int(size) for size in parameters.shape.dim)
    if shape.count(-1) > 1 or any(size < -1 for size in shape):
        raise wrong(layer, f"shape {list(shape)} may have one -1 and no other negative size")
    return OperationPlan(
        "reshape", attributes={"shape": shape, "axis": parameters.axis, "num_axes": parameters.num_axes}
    )


@register_layer("Tile")
def _tile(layer: Message) -> OperationPlan:
    if not layer.tile_param.tiles:
        raise wrong(layer, "tiles must be at least 1")
    return OperationPlan("tile", attributes={"tiles": layer.tile_param.tiles, "axis": layer.tile_param.axis})


@register_layer("Crop")
def _crop(layer: Message) -> OperationPlan:
    offsets = tuple(int(offset) for offset in layer.crop_param.offset)
    return OperationPlan("crop", attributes={"axis": layer.crop_param.axis, "offsets": offsets})


@register_layer("Reduction")
def _reduction(layer: Message) -> OperationPlan:
    parameters = layer.reduction_param
    names = {"SUM": "sum", "ASUM": "absolute_sum", "SUMSQ": "sum_of_squares", "MEAN": "mean"}
    operation = names[parameters.operation]
    return OperationPlan(
        "reduction",
        attributes={"operation": operation, "axis": parameters.axis, "coefficient": parameters.coeff},
    )


@register_layer("ArgMax")
def _argmax(layer: Message) -> OperationPlan:
    parameters = layer.argmax_param
    return OperationPlan(
        "argmax",
        attributes={
            "top_k": parameters.top_k,
            "axis": parameters.axis,
            "out_max_val": parameters.out_max_val,
        },
    )


@register_layer("ELU")
def _elu(layer: Message) -> OperationPlan:
    scale = getattr(layer.elu_param, "lambda")  # NVCaffe's
    return OperationPlan(
        "elu", attributes={"alpha": layer.elu_param.alpha} | ({"scale": scale} if scale != 1 else {})
    )
