"""Each layer type out of prototxt text: its operation, attributes, blobs and shapes; what is refused; registering."""

import numpy as np
import pytest
import torch

from convscope.errors import NetworkFileError, UnsupportedLayer
from convscope.formats.caffe.layers import (
    TRANSLATORS,
    blob_shapes,
    fill,
    register_layer,
    translate,
    translate_as,
)
from convscope.formats.caffe.layers.ends import LOSSES_OF_FORKS
from convscope.formats.caffe.layers.translation import Translation
from convscope.formats.caffe.text import read_text
from convscope.formats.operation_plan import OperationPlan
from convscope.network.operations import OPERATIONS

PICTURE = (2, 6, 9, 8)
WINDOW = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "axis": 1}

_OF_FORKS = (
    *(".converted", ".films", ".flow", ".fork_activations", ".fork_sequences", ".forks", ".detectors"),
    ".layers.regions",
)
OWN_TYPES = frozenset(  # before any test registers another
    name
    for name, function in TRANSLATORS.items()
    if not (name.startswith("(") or name in LOSSES_OF_FORKS or function.__module__.endswith(_OF_FORKS))
)


def layer_of(type_name, fields="", bottoms=1, tops=1):
    names = "".join(f' bottom: "b{i}"' for i in range(bottoms)) + "".join(
        f' top: "t{i}"' for i in range(tops)
    )
    text = f'layer {{ name: "it" type: "{type_name}"{names} {fields} }}'
    return read_text(text, file="net.prototxt").layer[0]


# type, its fields, the shapes of the bottoms, the number of tops; then kind, attributes and blob shapes by role.
OPERATION_LAYERS = [
    (
        "Convolution",
        "convolution_param { num_output: 4 kernel_size: 3 }",
        [PICTURE],
        1,
        "convolution",
        WINDOW,
        {"weight": (4, 6, 3, 3), "bias": (4,)},
    ),
    (
        "Convolution",
        "convolution_param { num_output: 4 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 0 pad_w: 1"
        " dilation: 2 dilation: 1 group: 2 bias_term: false }",
        [PICTURE],
        1,
        "convolution",
        {"stride": (2, 1), "padding": (0, 1), "dilation": (2, 1), "groups": 2, "axis": 1},
        {"weight": (4, 3, 3, 2)},
    ),
    (
        "Convolution",
        "convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 }",
        [PICTURE, PICTURE],
        2,
        "convolution",
        WINDOW | {"stride": 2, "padding": 1},
        {"weight": (4, 6, 3, 3), "bias": (4,)},
    ),
    (
        "Convolution",
        "convolution_param { num_output: 4 kernel_size: 1 kernel_size: 2 kernel_size: 3 }",
        [(1, 6, 4, 4, 4)],
        1,
        "convolution",
        WINDOW,
        {"weight": (4, 6, 1, 2, 3), "bias": (4,)},
    ),
    (
        "Convolution",
        "convolution_param { num_output: 4 kernel_size: 3 axis: 2 }",
        [(2, 5, 6, 7)],
        1,
        "convolution",
        WINDOW | {"axis": 2},
        {"weight": (4, 6, 3), "bias": (4,)},
    ),
    (
        "Deconvolution",
        "convolution_param { num_output: 4 kernel_size: 3 stride: 2 group: 2 }",
        [PICTURE],
        1,
        "deconvolution",
        WINDOW | {"stride": 2, "groups": 2},
        {"weight": (6, 2, 3, 3), "bias": (4,)},
    ),
    (
        "Im2col",
        "convolution_param { kernel_size: 3 stride: 2 }",
        [PICTURE],
        1,
        "im2col",
        {"kernel": 3, "stride": 2, "padding": 0, "dilation": 1, "axis": 1},
        {},
    ),
    (
        "Pooling",
        "pooling_param { kernel_size: 3 stride: 2 }",
        [PICTURE],
        1,
        "max_pool",
        {"kernel": (3, 3), "stride": (2, 2), "padding": (0, 0), "rounding": "ceil"},
        {},
    ),
    (
        "Pooling",
        "pooling_param { pool: AVE kernel_h: 3 kernel_w: 2 pad_h: 1 pad_w: 0 round_mode: FLOOR }",
        [PICTURE],
        1,
        "average_pool",
        {"kernel": (3, 2), "stride": (1, 1), "padding": (1, 0), "rounding": "floor"},
        {},
    ),
    (
        "Pooling",
        "pooling_param { kernel_size: 3 stride_h: 2 stride_w: 1 }",
        [PICTURE],
        2,
        "max_pool_with_mask",
        {"kernel": (3, 3), "stride": (2, 1), "padding": (0, 0), "rounding": "ceil"},
        {},
    ),
    (
        "Pooling",
        "pooling_param { pool: AVE global_pooling: true }",
        [PICTURE],
        1,
        "global_average_pool",
        {},
        {},
    ),
    ("Pooling", "pooling_param { global_pooling: true }", [PICTURE], 1, "global_max_pool", {}, {}),
    ("Pooling", "pooling_param { global_pooling: true }", [PICTURE], 2, "global_max_pool_with_mask", {}, {}),
    (
        "SPP",
        "spp_param { pyramid_height: 2 pool: AVE }",
        [PICTURE],
        1,
        "spp",
        {"pyramid_height": 2, "pool": "average"},
        {},
    ),
    (
        "LRN",
        "lrn_param { local_size: 3 alpha: 0.5 beta: 0.25 k: 2 }",
        [PICTURE],
        1,
        "lrn_across_channels",
        {"size": 3, "alpha": 0.5, "beta": 0.25, "k": 2.0},
        {},
    ),
    (
        "LRN",
        "lrn_param { norm_region: WITHIN_CHANNEL k: 2 }",
        [PICTURE],
        1,
        "lrn_within_channel",
        {"size": 5, "alpha": 1.0, "beta": 0.75},
        {},
    ),
    (
        "InnerProduct",
        "inner_product_param { num_output: 5 }",
        [PICTURE],
        1,
        "dense",
        {"axis": 1, "transpose": False},
        {"weight": (5, 432), "bias": (5,)},
    ),
    (
        "InnerProduct",
        "inner_product_param { num_output: 5 axis: -1 transpose: true bias_term: false }",
        [PICTURE],
        1,
        "dense",
        {"axis": -1, "transpose": True},
        {"weight": (8, 5)},
    ),
    (
        "Embed",
        "embed_param { num_output: 5 input_dim: 7 }",
        [(2, 1)],
        1,
        "embed",
        {},
        {"weight": (7, 5), "bias": (5,)},
    ),
    (
        "BatchNorm",
        "batch_norm_param { eps: 0.5 }",
        [PICTURE],
        1,
        "batch_norm",
        {"epsilon": 0.5},
        {"mean": (6,), "variance": (6,), "scale_factor": (1,)},
    ),
    (
        "BatchNorm",
        "batch_norm_param { eps: 0.5 use_global_stats: false }",
        [PICTURE],
        1,
        "batch_norm",
        {"epsilon": 0.5, "of_batch": True},
        {"mean": (6,), "variance": (6,), "scale_factor": (1,)},
    ),
    ("PReLU", "", [PICTURE], 1, "prelu", {}, {"weight": (6,)}),
    ("PReLU", "prelu_param { channel_shared: true }", [PICTURE], 1, "prelu", {}, {"weight": ()}),
    ("Scale", "", [PICTURE], 1, "scale", {"axis": 1}, {"weight": (6,)}),
    (
        "Scale",
        "scale_param { bias_term: true axis: 0 num_axes: -1 }",
        [PICTURE],
        1,
        "scale",
        {"axis": 0},
        {"weight": PICTURE, "bias": PICTURE},
    ),
    ("Scale", "scale_param { num_axes: 0 }", [PICTURE], 1, "scale", {"axis": 1}, {"weight": ()}),
    (
        "Scale",
        "scale_param { axis: 0 bias_term: true }",
        [PICTURE, (2, 6)],
        1,
        "scale",
        {"axis": 0},
        {"bias": (2, 6)},
    ),
    ("Scale", "", [PICTURE, (6,)], 1, "scale", {"axis": 1}, {}),
    ("Bias", "bias_param { axis: 2 num_axes: 2 }", [PICTURE], 1, "bias", {"axis": 2}, {"bias": (9, 8)}),
    ("Bias", "", [PICTURE, (6, 9)], 1, "bias", {"axis": 1}, {}),
    (
        "LSTM",
        "recurrent_param { num_output: 5 }",
        [(3, 2, 6), (3, 2)],
        1,
        "lstm",
        {"expose_hidden": False},
        {"weight": (20, 6), "bias": (20,), "hidden_weight": (20, 5)},
    ),
    (
        "LSTM",
        "recurrent_param { num_output: 5 expose_hidden: true }",
        [(3, 2, 6, 2), (3, 2), (2, 7), (1, 2, 5), (1, 2, 5)],
        3,
        "lstm",
        {"expose_hidden": True},
        {"weight": (20, 12), "bias": (20,), "static_weight": (20, 7), "hidden_weight": (20, 5)},
    ),
    (
        "RNN",
        "recurrent_param { num_output: 5 }",
        [(3, 2, 6), (3, 2), (2, 7, 2)],
        1,
        "rnn",
        {"expose_hidden": False},
        {
            "weight": (5, 6),
            "bias": (5,),
            "static_weight": (5, 14),
            "hidden_weight": (5, 5),
            "output_weight": (5, 5),
            "output_bias": (5,),
        },
    ),
    ("LSTMUnit", "", [(1, 2, 5), (1, 2, 20), (1, 2)], 2, "lstm_unit", {}, {}),
    ("ReLU", "relu_param { negative_slope: 0.5 }", [PICTURE], 1, "relu", {"negative_slope": 0.5}, {}),
    ("ELU", "elu_param { alpha: 0.5 }", [PICTURE], 1, "elu", {"alpha": 0.5}, {}),
    ("Swish", "swish_param { beta: 0.5 }", [PICTURE], 1, "swish", {"beta": 0.5}, {}),
    ("Sigmoid", "", [PICTURE], 1, "sigmoid", {}, {}),
    ("TanH", "", [PICTURE], 1, "tanh", {}, {}),
    ("AbsVal", "", [PICTURE], 1, "absolute", {}, {}),
    ("BNLL", "", [PICTURE], 1, "bnll", {}, {}),
    ("Clip", "clip_param { min: -1 max: 2 }", [PICTURE], 1, "clip", {"minimum": -1.0, "maximum": 2.0}, {}),
    ("Threshold", "threshold_param { threshold: 0.5 }", [PICTURE], 1, "threshold", {"threshold": 0.5}, {}),
    (
        "Power",
        "power_param { power: 2 scale: 3 shift: 4 }",
        [PICTURE],
        1,
        "power",
        {"power": 2.0, "scale": 3.0, "shift": 4.0},
        {},
    ),
    (
        "Exp",
        "exp_param { base: 2 scale: 3 shift: 4 }",
        [PICTURE],
        1,
        "exp",
        {"base": 2.0, "scale": 3.0, "shift": 4.0},
        {},
    ),
    ("Log", "", [PICTURE], 1, "log", {"base": None, "scale": 1.0, "shift": 0.0}, {}),
    ("Softmax", "softmax_param { axis: 2 }", [PICTURE], 1, "softmax", {"axis": 2}, {}),
    (
        "MVN",
        "mvn_param { across_channels: true normalize_variance: false eps: 0.5 }",
        [PICTURE],
        1,
        "mvn",
        {"across_channels": True, "normalize_variance": False, "epsilon": 0.5},
        {},
    ),
    ("Dropout", "dropout_param { dropout_ratio: 0.9 }", [PICTURE], 1, "identity", {}, {}),
    ("Eltwise", "", [PICTURE] * 3, 1, "eltwise_sum", {"coefficients": ()}, {}),
    (
        "Eltwise",
        "eltwise_param { coeff: 1 coeff: -0.5 }",
        [PICTURE] * 2,
        1,
        "eltwise_sum",
        {"coefficients": (1.0, -0.5)},
        {},
    ),
    ("Eltwise", "eltwise_param { operation: PROD }", [PICTURE] * 2, 1, "eltwise_product", {}, {}),
    ("Eltwise", "eltwise_param { operation: MAX }", [PICTURE] * 2, 1, "eltwise_max", {}, {}),
    ("Concat", "", [PICTURE] * 2, 1, "concat", {"axis": 1}, {}),
    ("Concat", "concat_param { concat_dim: 0 }", [PICTURE] * 2, 1, "concat", {"axis": 0}, {}),
    (
        "Slice",
        "slice_param { slice_point: 1 slice_point: 4 }",
        [PICTURE],
        3,
        "slice",
        {"axis": 1, "points": (1, 4), "parts": 3},
        {},
    ),
    (
        "Slice",
        "slice_param { slice_dim: 0 }",
        [PICTURE],
        2,
        "slice",
        {"axis": 0, "points": (), "parts": 2},
        {},
    ),
    ("Split", "", [PICTURE], 3, "split", {"copies": 3}, {}),
    ("Flatten", "flatten_param { end_axis: 2 }", [PICTURE], 1, "flatten", {"axis": 1, "end_axis": 2}, {}),
    (
        "Reshape",
        "reshape_param { shape { dim: 0 dim: -1 dim: 4 } axis: 1 num_axes: 2 }",
        [(2, 3, 8, 8)],
        1,
        "reshape",
        {"shape": (0, -1, 4), "axis": 1, "num_axes": 2},
        {},
    ),
    ("Tile", "tile_param { tiles: 3 axis: 2 }", [PICTURE], 1, "tile", {"tiles": 3, "axis": 2}, {}),
    (
        "Crop",
        "crop_param { axis: 2 offset: 1 offset: 2 }",
        [PICTURE, (1, 1, 4, 4)],
        1,
        "crop",
        {"axis": 2, "offsets": (1, 2)},
        {},
    ),
    (
        "Reduction",
        "reduction_param { operation: ASUM axis: 1 coeff: 2 }",
        [PICTURE],
        1,
        "reduction",
        {"operation": "absolute_sum", "axis": 1, "coefficient": 2.0},
        {},
    ),
    ("ArgMax", "", [PICTURE], 1, "argmax", {"top_k": 1, "axis": None, "out_max_val": False}, {}),
    (
        "ArgMax",
        "argmax_param { top_k: 2 axis: 1 out_max_val: true }",
        [PICTURE],
        1,
        "argmax",
        {"top_k": 2, "axis": 1, "out_max_val": True},
        {},
    ),
    ("BatchReindex", "", [PICTURE, (5,)], 1, "batch_reindex", {}, {}),
    ("Filter", "", [PICTURE, (2, 1), (2,)], 2, "filter", {}, {}),
    ("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }", [], 1, "constant", {}, {"weight": (2, 3)}),
    (
        "DummyData",
        "dummy_data_param { shape { dim: 2 dim: 3 } data_filler { value: 0.5 } }",
        [],
        2,
        "constant",
        {},
        {"value_0": (2, 3), "value_1": (2, 3)},
    ),
    (
        "DummyData",
        "dummy_data_param { num: 2 num: 1 channels: 3 channels: 1 height: 4 height: 1 width: 5 width: 1 }",
        [],
        2,
        "constant",
        {},
        {"value_0": (2, 3, 4, 5), "value_1": (1, 1, 1, 1)},
    ),
    ("SoftmaxWithLoss", "", [PICTURE, (2,)], 1, "softmax", {"axis": 1}, {}),
]
SKIPPED = (
    *("Accuracy", "ContrastiveLoss", "EuclideanLoss", "HDF5Output", "HingeLoss", "InfogainLoss"),
    *("MultinomialLogisticLoss", "SigmoidCrossEntropyLoss", "Silence"),
)
INPUTS = ("Input", "Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData")


@pytest.mark.parametrize(
    ("type_name", "fields", "shapes", "tops", "kind", "attributes", "blobs"),
    OPERATION_LAYERS,
    ids=[f"{case[0]} {case[1]}"[:60] for case in OPERATION_LAYERS],
)
def test_a_layer_becomes_an_operation(type_name, fields, shapes, tops, kind, attributes, blobs):
    translation = translate(layer_of(type_name, fields, len(shapes), tops))
    plan = translation.plan
    assert plan.kind == kind
    assert plan.attributes == attributes
    found = blob_shapes(plan.parameters, shapes)
    assert dict(zip(plan.parameters, found, strict=True)) == blobs
    assert not (translation.is_input or translation.skip)

    # The operation takes these very keywords, and blobs of these shapes, filled.
    generator = np.random.default_rng(0)
    inputs = [torch.zeros(shape) for shape in shapes[: len(plan.inputs) or None]]
    parameters = {
        role: torch.tensor(fill(blob.filler, shape, generator))
        for (role, blob), shape in zip(plan.parameters.items(), found, strict=True)
    }
    result = OPERATIONS[kind](*inputs, **parameters, **plan.attributes)
    assert isinstance(result, tuple) == (tops > 1)
    assert len(result if isinstance(result, tuple) else (result,)) == tops


def test_every_type_of_caffe_is_known():
    """The 61 types Caffe registers (without STOCHASTIC pooling's and Python's own code)."""
    tested = {case[0] for case in OPERATION_LAYERS}
    assert tested | set(SKIPPED) | set(INPUTS) == OWN_TYPES
    assert len(OWN_TYPES) == 60


def test_only_a_weight_files_blobs_are_looked_for_there():
    dummy = translate(layer_of("DummyData", "dummy_data_param { shape { dim: 2 } }", bottoms=0))
    assert not dummy.stored_blobs
    assert translate(layer_of("PReLU")).stored_blobs


@pytest.mark.parametrize("type_name", [*SKIPPED, *LOSSES_OF_FORKS])
def test_training_layers_are_left_out_with_a_note(type_name):
    translation = translate(layer_of(type_name, bottoms=2, tops=0))
    assert translation.skip
    assert "left out" in translation.note
    assert "'it'" in translation.note


@pytest.mark.parametrize(("tops", "used"), [(1, (0,)), (2, (1,)), (0, (0,))])
def test_a_softmax_loss_gives_its_probabilities(tops, used):
    translation = translate(layer_of("SoftmaxWithLoss", "softmax_param { axis: 2 }", bottoms=2, tops=tops))
    assert translation.plan == OperationPlan("softmax", ("b0",), attributes={"axis": 2})
    assert translation.tops == used
    assert "probabilities" in translation.note


@pytest.mark.parametrize(
    ("type_name", "fields", "tops", "shapes"),
    [
        ("Input", "input_param { shape { dim: 10 dim: 3 dim: 227 dim: 227 } }", 1, [(10, 3, 227, 227)]),
        ("Input", "input_param { shape { dim: 1 dim: 3 } }", 2, [(1, 3), (1, 3)]),
        ("Input", "input_param { shape { dim: 1 } shape { dim: 2 } }", 2, [(1,), (2,)]),
        ("Input", "", 1, [None]),
        (
            "Data",
            "data_param { batch_size: 50 } transform_param { crop_size: 227 force_color: true }",
            2,
            [(50, 3, 227, 227), (50,)],
        ),
        ("Data", "data_param { batch_size: 64 }", 2, [(64, None, None, None), (64,)]),
        (
            "Data",
            "data_param { batch_size: 64 } transform_param { force_gray: true }",
            1,
            [(64, 1, None, None)],
        ),
        (
            "ImageData",
            "image_data_param { batch_size: 8 new_height: 256 new_width: 240 }",
            2,
            [(8, 3, 256, 240), (8,)],
        ),
        (
            "ImageData",
            "image_data_param { new_height: 256 new_width: 256 is_color: false } transform_param { crop_size: 9 }",
            1,
            [(1, 1, 9, 9)],
        ),
        (
            "MemoryData",
            "memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }",
            2,
            [(2, 3, 4, 5), (2,)],
        ),
        (
            "WindowData",
            "window_data_param { batch_size: 2 } transform_param { crop_size: 9 }",
            2,
            [(2, 3, 9, 9), (2,)],
        ),
        ("HDF5Data", "hdf5_data_param { batch_size: 2 }", 2, [None, None]),
    ],
)
def test_data_layers_are_the_networks_inputs(type_name, fields, tops, shapes):
    translation = translate(layer_of(type_name, fields, bottoms=0, tops=tops))
    assert translation.is_input
    assert not translation.skip
    assert list(translation.input_shapes) == shapes


@pytest.mark.parametrize(
    ("type_name", "fields", "tops", "message"),
    [
        (
            "Convolution",
            "convolution_param { num_output: 0 kernel_size: 3 }",
            1,
            "num_output must be at least 1",
        ),
        ("Convolution", "convolution_param { num_output: 3 }", 1, "kernel_size is missing"),
        (
            "Convolution",
            "convolution_param { num_output: 3 kernel_size: 0 }",
            1,
            "kernel must be at least 1, found 0",
        ),
        (
            "Convolution",
            "convolution_param { num_output: 3 kernel_size: 3 kernel_h: 3 }",
            1,
            "one of the two is enough",
        ),
        (
            "Convolution",
            "convolution_param { num_output: 3 kernel_h: 3 }",
            1,
            r"kernel must be .* found \(3, 0\)",
        ),
        ("Pooling", "", 1, "kernel_size is missing"),
        ("Pooling", "pooling_param { kernel_h: 3 }", 1, "give kernel_size, or both kernel_h and kernel_w"),
        (
            "Pooling",
            "pooling_param { kernel_size: 2 pad: 2 }",
            1,
            r"pad \(2, 2\) must be less than kernel \(2, 2\)",
        ),
        ("Pooling", "pooling_param { global_pooling: true pad: 1 }", 1, "takes no pad and no stride"),
        ("Pooling", "pooling_param { pool: AVE kernel_size: 3 }", 2, "only maximum pooling has a second top"),
        ("SPP", "", 1, "pyramid_height must be at least 1"),
        ("LRN", "lrn_param { local_size: 4 }", 1, "local_size must be odd, found 4"),
        ("InnerProduct", "inner_product_param { num_output: 0 }", 1, "num_output must be at least 1"),
        ("Embed", "embed_param { num_output: 3 }", 1, "input_dim must be at least 1"),
        ("LSTM", "", 1, "num_output must be at least 1"),
        ("Clip", "clip_param { min: 1 }", 1, "min and max must both be given"),
        ("Exp", "exp_param { base: -2 }", 1, "base must be positive, or -1 for e, found -2.0"),
        ("Eltwise", "eltwise_param { coeff: 1 coeff: 2 }", 1, "2 coefficients for 1 bottoms"),
        ("Eltwise", "eltwise_param { operation: PROD coeff: 1 }", 1, "only a sum takes coefficients"),
        ("Slice", "slice_param { slice_point: 1 }", 3, "3 tops need 2 slice points, found 1"),
        ("Reshape", "reshape_param { shape { dim: -1 dim: -1 } }", 1, "may have one -1"),
        ("Tile", "", 1, "tiles must be at least 1"),
        ("Input", "input_param { shape { dim: 1 } shape { dim: 2 } }", 3, "2 shapes for 3 tops"),
        ("DummyData", "", 1, "0 shapes and 1 fillers for 1 tops"),
        ("", "", 1, "it has no type"),
    ],
)
def test_what_caffe_refuses_is_refused_with_name_and_place(type_name, fields, tops, message):
    with pytest.raises(NetworkFileError, match=message) as caught:
        translate(layer_of(type_name, fields, tops=tops))
    assert str(caught.value).startswith("layer 'it' (line 1)")


@pytest.mark.parametrize(("type_name", "field"), [("Pooling", "pooling_param"), ("SPP", "spp_param")])
def test_stochastic_pooling_is_not_there(type_name, field):
    with pytest.raises(UnsupportedLayer, match="'it': stochastic pooling"):
        translate(layer_of(type_name, f"{field} {{ pool: STOCHASTIC }}"))


def test_an_unknown_type_is_named_with_the_closest_and_the_way_out():
    with pytest.raises(UnsupportedLayer) as caught:
        translate(layer_of("Convolutoin"))
    message = str(caught.value)
    assert "layer 'it' has the type 'Convolutoin'" in message
    assert "Did you mean 'Convolution'" in message
    assert "register_layer('Convolutoin', function)" in message


def test_python_code_is_never_run():
    with pytest.raises(
        UnsupportedLayer, match=r"runs Python code \(os.System\).*register_layer\('Python:os.System'"
    ):
        translate(layer_of("Python", 'python_param { module: "os" layer: "System" }'))


def run(translation, *inputs, **parameters):
    plan = translation.plan
    return OPERATIONS[plan.kind](*inputs, **parameters, **plan.attributes)


def test_a_function_of_tensors_becomes_a_layer():
    register_layer("Permute", lambda x, order: x.permute(order))
    layer = layer_of("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }")
    translation = translate(layer)
    assert run(translation, torch.zeros(1, 2, 3, 4)).shape == (1, 3, 4, 2)
    assert translation.blobs == {}
    graph = torch.fx.Graph()
    node = graph.call_function(
        OPERATIONS[translation.plan.kind], (graph.placeholder("x"),), translation.plan.attributes
    )
    graph.output(node)
    module = torch.fx.GraphModule(torch.nn.Module(), graph)
    assert module(torch.zeros(1, 2, 3, 4)).shape == (1, 3, 4, 2)


def test_a_layer_with_blobs_says_what_they_are_called():
    register_layer("Affine", lambda x, weight, bias: x * weight + bias, roles=("weight", "bias"))
    translation = translate(layer_of("Affine"))
    assert list(translation.blobs) == ["weight", "bias"]
    assert blob_shapes(translation.blobs, [(1, 2)]) is None
    assert run(translation, torch.ones(2), weight=torch.tensor(3.0), bias=torch.tensor(1.0)).tolist() == [
        4,
        4,
    ]


@pytest.mark.parametrize("name", ["Python:net.Doubled", "Python:Doubled"])
def test_a_python_layer_is_registered_by_its_name(name):
    register_layer(name, lambda x, param_str="1": float(param_str) * x)
    python = 'python_param { module: "net" layer: "Doubled" param_str: "2" }'
    assert run(translate(layer_of("Python", python)), torch.ones(1)).tolist() == [2]


def test_a_layer_can_be_translated_by_hand():
    @register_layer("DepthwiseConvolution")
    def depthwise(layer):
        return translate_as("Convolution", layer)

    fields = "convolution_param { num_output: 6 group: 6 kernel_size: 3 }"
    translation = translate(layer_of("DepthwiseConvolution", fields))
    assert isinstance(translation, Translation)
    assert translation.plan.kind == "convolution"
    assert blob_shapes(translation.blobs, [PICTURE]) == ((6, 1, 3, 3), (6,))
