"""Layers of Caffe's forks that look at sequences: of letters, of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from convscope.errors import InputError
from convscope.formats.caffe.layers.fillers import ONES, ZEROS, filler_of
from convscope.formats.caffe.layers.registry import register_layer
from convscope.formats.caffe.layers.translation import LearnedBlob, Shape, incomplete, wrong
from convscope.formats.caffe.message import Message
from convscope.formats.operation_plan import OperationPlan
from convscope.network.operations.checks import dimensions


@register_layer("Lstm")
def _lstm(layer: Message) -> OperationPlan:
    """Junhyuk Oh's own, of rows, and as CTPN has it: (time, batch, ...); `clipping_threshold` is of the gradients."""
    settings, batch = layer.lstm_param, int(layer.lstm_param.batch_size)
    if not (settings.num_output and batch) or len(layer.bottom) > 2:
        raise incomplete(
            layer, "it needs num_output and a batch_size of at least 1, and at most 2 bottoms (rows, clip)"
        )
    features = int(settings.num_output)
    filler, count = filler_of(settings, "weight_filler", ZEROS), (4 * features,)

    def weights(inputs: Sequence[Shape]) -> Shape:
        is_flat = len(inputs[0]) == 2
        if not is_flat and (settings.has("batch_size") or len(inputs) > 1):
            what = "with batch_size or a second bottom it reads rows (time * batch, inputs), not"
            raise InputError(str(wrong(layer, f"{what} {dimensions(inputs[0])}")))
        return 4 * features, prod(inputs[0][1 if is_flat else 2 :])

    return OperationPlan(
        "lstm_of_rows",
        attributes={"batch": batch},
        parameters={
            "weight": LearnedBlob(filler, weights),
            "hidden_weight": LearnedBlob(filler, lambda inputs: (4 * features, features)),
            "bias": LearnedBlob(filler_of(settings, "bias_filler", ZEROS), lambda inputs: count),
        },
    )


@register_layer("ContinuationIndicator")
def _continuation_indicator(layer: Message) -> OperationPlan:
    """For each time and sequence whether it goes on; all begin at the first: jolibrain's, and video-caffe's.

    jolibrain's has as many sequences as an axis of what it reads is long, video-caffe's states their number.
    """
    settings = layer.continuation_indicator_param
    times, sequences = settings.time_step, settings.batch_size
    if not times:
        raise incomplete(layer, "time_step must be at least 1")
    if bool(layer.bottom) == bool(sequences):  # a fork of video-caffe reads flags
        raise incomplete(layer, "it has either a bottom or a batch_size")
    if layer.bottom:
        return OperationPlan("continues_of", attributes={"times": times, "axis": settings.axis})
    ones = LearnedBlob(Message("FillerParameter", **ONES), lambda inputs: (times, sequences), stored=False)
    return OperationPlan("continues_of", parameters={"ones": ones}, attributes={"times": times})


@register_layer("Reverse")
def _reverse(layer: Message) -> OperationPlan:
    return OperationPlan("flip", attributes={"axes": (int(layer.reverse_param.axis),)})


@register_layer("Transpose")
def _transpose(layer: Message) -> OperationPlan:
    return OperationPlan(
        "permute", attributes={"order": tuple(int(axis) for axis in layer.transpose_param.dim)}
    )
