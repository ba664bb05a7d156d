"""An attribute that a node's reader does not look at is refused, unless it is known to change no number."""

from __future__ import annotations

from collections.abc import Mapping

from convscope.formats.onnx.node import Node
from convscope.formats.settings import Settings

_EVERYWHERE = frozenset({
    "consumed_inputs",  # of the first opset: which memory may be written over
    "kernel_shape",  # where it is not read the weights have it
    "pads",  # read wherever auto_pad does not stand in its place
    "storage_order",  # read where places are asked for
    *("stash_type", "softmax_precision", "precision"),  # everything is computed in single precision
})  # fmt: skip

_RECURRENT = frozenset({"hidden_size", "output_sequence"})  # the weights, and the outputs, have it
_SCALED = frozenset({"block_size", "output_dtype"})  # the scales have it
_OF_OPERATORS: Mapping[str, frozenset[str]] = {
    "BatchNormalization": frozenset({"is_test", "momentum"}),  # for training
    "Dropout": frozenset({"is_test", "ratio", "seed"}),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"), _RECURRENT),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _SCALED),
    **dict.fromkeys(("Cast", "CastLike"), frozenset({"round_mode"})),  # of a type that is refused
    "Split": frozenset({"num_outputs", "split"}),  # the outputs are counted; a single one is all there is
    "Gemm": frozenset({"broadcast"}),  # before opset 7: the shapes have it
    "TopK": frozenset({"sorted"}),  # any order will do where it is 0
    "LinearAttention": frozenset({"chunk_size"}),  # how it is computed, not what
    "GatherBlockQuantized": frozenset({"bits"}),  # the type of the codes has it, but for bytes
    "MatMulNBits": frozenset({"accuracy_level"}),  # a hint
    "ReorderOutput": frozenset({"channels"}),  # without blocks there are no more of them
    "FloatQuant": frozenset(
        {"has_inf", "has_nan", "has_subnormal"}
    ),  # what saturates has the first two, never
    "If": frozenset({"then_branch", "else_branch"}),  # the one that is not taken
}


def require_all_read(node: Node) -> None:
    """Raise UnsupportedLayer for an attribute that nobody has read though it may change what the node computes."""
    unread = node.attributes.unread if isinstance(node.attributes, Settings) else set()
    harmless = _EVERYWHERE | _OF_OPERATORS.get(node.type_name, frozenset())
    for name in sorted(unread - harmless):
        raise node.refusal(f"what its attribute {name} = {node.attributes[name]!r} means is not known here")
