"""Fields of a layer that no Caffe we know has: what they would change in its arithmetic, nobody can tell.

Such a layer is not computed without them: the network is cut there. Known to be harmless are fields about speed,
training and how parameters begin.
"""

from __future__ import annotations

from convscope.errors import UnsupportedLayer
from convscope.formats.caffe.message import Message
from convscope.formats.protobuf.literals import write_guessed
from convscope.formats.protobuf.unknown import unknown_fields

_WITHOUT_EFFECT = frozenset(
    {
        "ParamSpec",
        "FillerParameter",
        "NetStateRule",
        "BlobProto",
        "DropoutParameter",
        "TransformationParameter",
        "LossParameter",
    }
)
"""Messages that only training, or a layer of data, reads: nothing in them changes what a layer computes."""

_HARMLESS = frozenset(
    {
        "engine",  # how it is computed, not what
        "conv_algos_override",
        "conv_algorithm",
        "weight_filler",  # in the wrong place: how numbers begin
        "bias_filler",
        "weight_mask_filler",
        "bias_mask_filler",
        "forward_type",
        "backward_type",
        "forward_math",
        "backward_math",
        "debug",
        "save_output_param",  # where what was found is written to, and shown
        "visualize",
        "visualize_threshold",
        "save_file",
        "blobs_lr",  # how it is trained
        "weight_decay",
        "lr_mult",
        "decay_mult",
        "blob_share_mode",
        "strict_dim",
        "momentum",
        "update_global_stats",
        "stats_batch_size",
        "diff_scale",
        "clip_gradients",
    }
)


EIGHT_BIT = "quantization_param"
"""How Intel's Caffe and Ristretto round a layer's numbers to few bits; the weights are in single precision."""


def refuse_unknown_fields(layer: Message) -> None:
    """UnsupportedLayer where a layer that computes has a field that might change its answer."""
    for owner, unknown in unknown_fields(layer, _WITHOUT_EFFECT):
        if unknown.name in (*_HARMLESS, EIGHT_BIT) or (unknown.name.isdigit() and owner == "LayerParameter"):
            continue
        if unknown.name.startswith("cudnn_"):  # a library's memory and speed
            continue
        value = (
            "" if isinstance(unknown.value, (dict, list, memoryview)) else f": {write_guessed(unknown.value)}"
        )
        raise UnsupportedLayer(
            f"layer {layer.name!r} ({layer.type}) has {owner}'s {unknown.name}{value} ({unknown.place}), which "
            "convscope does not know: what it would change is not known either. Take it out if it changes nothing"
        )
