"""By which names the nodes of a function read what an op gives, where it gives several things, in their order.

Of all other ops a name has one output, or a numbered list (TensorFlow's own op definitions, 2.21).
"""

from __future__ import annotations

from collections.abc import Mapping

_LSTM = ("i", "cs", "f", "o", "ci", "co", "h")
_STATISTICS = ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3")
_NAMES: Mapping[tuple[str, ...], str] = {
    _STATISTICS: "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3",
    _LSTM: "BlockLSTM BlockLSTMV2 LSTMBlockCell",
    ("r", "u", "c", "h"): "GRUBlockCell",
    ("output_false", "output_true"): "Switch RefSwitch",
    ("output", "value_index"): "Merge RefMerge",
    ("values", "indices"): "TopK TopKV2",
    ("y", "idx", "count"): "Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2",
    ("out", "idx"): "ListDiff",
    ("output", "argmax"): "MaxPoolWithArgmax",
    ("loss", "backprop"): "SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits",
    ("selected_indices", "valid_outputs"): "NonMaxSuppressionV4",
    ("selected_indices", "selected_scores", "valid_outputs"): "NonMaxSuppressionV5",
    ("nmsed_boxes", "nmsed_scores", "nmsed_classes", "valid_detections"): "CombinedNonMaxSuppression",
    ("sign", "log_abs_determinant"): "LogMatrixDeterminant",
    ("handle", "flow"): "TensorArrayV3",
    ("output_handle", "tensor"): "TensorListPopBack",
    ("tensor", "lengths"): "TensorListConcat TensorListConcatV2",
    ("value", "lengths"): "TensorArrayConcatV3",
    ("output_min", "output_max"): "RequantizationRange",
    (
        "output",
        "output_min",
        "output_max",
    ): "QuantizeV2 Requantize QuantizeDownAndShrinkRange QuantizedReshape QuantizedConcat QuantizedConcatV2",
    ("output", "min_output", "max_output"): "QuantizedConv2D QuantizedAvgPool QuantizedMaxPool",
    ("output", "min_out", "max_out"): "QuantizedBiasAdd",
    ("out", "min_out", "max_out"): "QuantizedMatMul",
    ("z", "min_z", "max_z"): "QuantizedAdd QuantizedMul",
    ("y", "y_min", "y_max"): "QuantizedInstanceNorm",
    ("activations", "min_activations", "max_activations"): "QuantizedRelu QuantizedRelu6 QuantizedReluX",
    ("resized_images", "out_min", "out_max"): "QuantizedResizeBilinear",
    ("result", "result_min", "result_max"): "QuantizedBatchNormWithGlobalNormalization",
}
OUTPUT_NAMES: Mapping[str, tuple[str, ...]] = {
    op: names for names, ops in _NAMES.items() for op in ops.split()
}
"""An op to the names of its outputs."""
