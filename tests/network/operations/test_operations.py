"""What every operation promises: pure, in any precision and memory layout, through autograd, meta, fx and compile."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import fx

from convscope.network.operations import OPERATIONS
from convscope.network.shapes import shape_by_rule


def normal(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def positive(*shape, seed=0):
    return normal(*shape, seed=seed).abs() + 0.5


INPUT = normal(2, 3, 6, 5)
CODES = (normal(2, 3, 6, 5, seed=3) * 50 + 120).round().clamp(0, 255)
ENDS = (torch.tensor([-1.3]).double(), torch.tensor([2.9]).double())
CONT = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]]).double()

# Kind to several (inputs, parameters, attributes). Every operation is here: a test holds that.
EXAMPLES = {
    "attention": [
        (
            [normal(2, 5, 12), normal(2, 7, 6, seed=1), normal(2, 7, 8, seed=2)],
            {},
            {"heads": 4, "key_heads": 2},
        ),
        (
            [
                normal(2, 4, 5, 3),
                normal(2, 2, 6, 3, seed=1),
                normal(2, 2, 6, 2, seed=2),
                normal(5, 6, seed=3),
            ],
            {},
            {"given": ("mask",), "causal": True, "cap": 0.7, "outputs": 4, "stage": "capped"},
        ),
    ],
    "celu": [([INPUT], {}, {"alpha": 0.6})],
    "squareplus": [([INPUT], {}, {"b": 2.5})],
    "sparse_plus": [([INPUT], {}, {})],
    "tanh_shrink": [([INPUT], {}, {})],
    "combine_bits": [
        (
            [normal(2, 5).mul(40).round(), normal(5, seed=1).mul(9).round()],
            {},
            {"manner": "xor", "bits": 8, "signed": True},
        )
    ],
    "cumulate": [
        ([INPUT], {}, {"axis": 1}),
        ([INPUT], {}, {"axis": -1, "exclusive": True, "reverse": True}),
        ([INPUT], {}, {"axis": 2, "summary": "product"}),
    ],
    "block_lstm": [
        (
            [normal(4, 2, 3), normal(2, 2, seed=1), normal(2, 2, seed=2)],
            {"weight": normal(5, 8, seed=3), "bias": normal(8), "into": normal(2), "out": normal(2, seed=4)},
            {"forget_first": True, "forget_bias": 0.4, "steps": 3},
        ),
    ],
    "continues_of": [([normal(2, 3, 4, 5)], {}, {"times": 3, "axis": 1})],
    "merge_middle": [
        ([normal(2, 3, 4, 5), normal(2, 3, 7, 5, seed=1)], {}, {"add": add}) for add in (False, True)
    ],
    "crop_and_resize": [
        (
            [
                INPUT,
                torch.tensor([[0.1, -0.2, 0.8, 0.9], [0.7, 0.2, 0.1, 0.6]]).double(),
                torch.tensor([1.0, 0]).double(),
            ],
            {},
            {"size": (3, 2), "outside": 0.3},
        ),
    ],
    "deformable_convolution": [
        (
            [normal(1, 4, 4, 3), normal(1, 24, 2, 2, seed=1).mul(0.7), normal(1, 12, 2, 2, seed=2)],
            {"weight": normal(6, 2, 3, 2, seed=3), "bias": normal(6)},
            {"stride": (2, 1), "padding": (1, 0, 1, 0), "groups": 2, "offset_groups": 2},
        ),
    ],
    "diagonal_of_ones": [([normal(4, 6)], {}, {"offset": 1})],
    "divide_or_zero": [([INPUT, normal(5).relu()], {}, {})],
    "dropout_mask": [([INPUT], {}, {})],
    "dynamic": [
        (
            [INPUT, normal(4, 3, 3, 2, seed=1)],
            {"bias": normal(4)},
            {"kind": "convolution", "roles": ("weight",), "padding": 1},
        ),
    ],
    "find_distinct": [
        ([normal(3, 4).mul(2).round()], {}, {}),
        ([normal(3, 4)], {}, {"axis": 1, "in_order": False}),
    ],
    "find_nonzero": [
        ([normal(3, 4).mul(2).round()], {}, {}),
        ([normal(3, 4).mul(2).round()], {}, {"rows": True}),
    ],
    "fold_patches": [
        (
            [normal(2, 12, 6)],
            {},
            {"size": (4, 5), "kernel": (3, 2), "stride": (2, 2), "padding": (1, 0, 0, 1)},
        ),
    ],
    "gather_elements": [([INPUT, torch.tensor([[[[2.0, -1], [0, 5]]]] * 2).double()], {}, {"axis": 2})],
    "gather_nd": [([INPUT, torch.tensor([[[1.0, -2], [0, 3]]] * 2).double()], {}, {"batch_axes": 1})],
    "hard_max": [([INPUT], {}, {"axis": 1}), ([INPUT], {}, {"axis": 1, "to_the_end": True})],
    "is_finite": [([normal(3).div(normal(3).relu())], {}, {})],
    "is_infinite": [([normal(3).div(0 * normal(3))], {}, {"negative": False})],
    "is_nan": [([normal(3)], {}, {})],
    "layer_norm_with_statistics": [([INPUT], {"weight": normal(6, 5)}, {"axis": 2})],
    "max_pool_with_indices": [
        ([INPUT], {}, {"kernel": (3, 2), "stride": 2, "padding": (1, 0, 0, 1)}),
        ([normal(2, 3, 8)], {}, {"kernel": 2, "dilation": 3}),
    ],
    "max_unpool_indices": [
        ([normal(1, 2, 2), torch.tensor([[[1.0, 2], [5, 7]]]).double()], {}, {"kernel": 2, "stride": 2}),
    ],
    "norm_along": [([INPUT], {}, {"axes": (1,)}), ([INPUT], {}, {"axes": (2, 3), "exponent": 1.0})],
    "one_hot": [([torch.tensor([[2.0, -1], [0, 7]]).double(), normal(2)], {}, {"depth": 4, "axis": 1})],
    "pool_along_axes": [
        ([normal(2, 3, 8)], {}, {"kernel": 3, "stride": 2, "dilation": 2}),
        (
            [normal(1, 2, 5, 4, 6)],
            {},
            {"kernel": (2, 3, 2), "padding": 1, "summary": "mean", "rounding": "ceil_inside"},
        ),
        ([INPUT], {}, {"kernel": (3, 2), "summary": "length", "exponent": 3.0}),
    ],
    "recurrent_sequence": [
        (
            [normal(3, 2, 2), torch.tensor([3.0, 2]).double(), normal(2, 2, 3, seed=1)],
            {
                "weight": normal(2, 12, 2, seed=2),
                "hidden_weight": normal(2, 12, 3, seed=3),
                "bias": normal(2, 24),
                "peephole": normal(2, 9, seed=4),
            },
            {"cell": "lstm", "given": ("lengths", "hidden"), "limit": 1.5, "coupled": True},
        ),
        (
            [normal(2, 4, 3)],
            {"weight": normal(1, 15, 3, seed=2), "hidden_weight": normal(1, 15, 5, seed=3)},
            {"cell": "gru", "backward": True, "batch_first": True, "reset_after": True},
        ),
        (
            [normal(4, 2, 3)],
            {"weight": normal(2, 5, 3, seed=2), "hidden_weight": normal(2, 5, 5, seed=3)},
            {
                "cell": "rnn",
                "activations": ("HardSigmoid", "Affine"),
                "alpha": (0.3, 0.7),
                "beta": (0.4, 0.1),
            },
        ),
    ],
    "resize_area": [([INPUT], {}, {"size": (3, 7)}), ([INPUT], {}, {"size": (9, 2), "corners": True})],
    "reverse_sequences": [
        ([INPUT, torch.tensor([4.0, 2, 6]).double()], {}, {"time_axis": 2, "batch_axis": 1})
    ],
    "rms_norm": [([INPUT], {"weight": normal(6, 5)}, {"axis": 2})],
    "roi_align": [
        (
            [
                INPUT,
                torch.tensor([[0.3, 1.1, 4.2, 5.3], [-1.0, 0, 2.2, 3.1]]).double(),
                torch.tensor([1.0, 0]).double(),
            ],
            {},
            {"size": (2, 3), "scale": 0.9, "summary": summary, "samples": samples},
        )
        for summary, samples in (("avg", 0), ("max", 2))
    ],
    "rotary_embedding": [
        (
            [
                normal(2, 4, 12),
                normal(9, 2, seed=1),
                normal(9, 2, seed=2),
                torch.tensor([[0.0, 3, 1, 8]] * 2).double(),
            ],
            {},
            {"heads": 2, "width": 4, "interleaved": True},
        ),
        ([normal(2, 3, 4, 6), normal(2, 4, 3, seed=1), normal(2, 4, 3, seed=2)], {}, {}),
    ],
    "scatter_elements": [
        (
            [INPUT, torch.tensor([[[[2.0, -1], [0, 3]]]] * 2).double(), normal(2, 1, 2, 2, seed=1)],
            {},
            {"axis": 2, "combination": combination},
        )
        for combination in ("none", "add", "mul", "max")
    ],
    "scatter_nd": [
        (
            [INPUT, torch.tensor([[1.0, -2], [0, 1]]).double(), normal(2, 6, 5, seed=1)],
            {},
            {"combination": combination},
        )
        for combination in ("none", "add", "min")
    ],
    "select_where": [([INPUT, torch.tensor([1.0, 0, 1]).double()], {}, {"axis": 1})],
    "shrink": [([INPUT], {}, {"threshold": 0.3, "shift": 0.2})],
    "suppress_boxes": [
        ([positive(2, 7, 4), positive(2, 3, 7)], {}, {"most": 3, "overlap": 0.2, "least": 0.6})
    ],
    "select_boxes": [
        ([positive(7, 4), positive(7)], {}, {"most": 5, "overlap": 0.2, "least": 0.3, "padded": True}),
        ([positive(7, 4), positive(7)], {}, {"most": 5, "padded": True, "with_scores": False}),
        ([positive(7, 4), positive(7)], {}, {"most": 5, "padded": True, "sigma": 0.5, "least": 0.8}),
    ],
    "detect_boxes": [
        (
            [positive(2, 7, 3, 4), positive(2, 7, 3)],
            {},
            {"most": 9, "most_of_class": 2, "least": 0.3, "clip": False},
        ),
    ],
    "top_k": [
        ([INPUT], {}, {"count": 2, "axis": 1}),
        ([INPUT], {}, {"count": 4, "axis": -2, "largest": False}),
    ],
    "axpy": [([normal(2, 3, 1, 1), INPUT, normal(2, 3, 6, 5, seed=1)], {}, {})],
    "flip": [([INPUT], {}, {"axes": (3,)})],
    "reorganize": [
        ([normal(2, 4, 6, 4)], {}, {"stride": 2}),
        ([normal(2, 8, 3, 2)], {}, {"stride": 2, "reverse": True}),
    ],
    "resize_corners": [([INPUT], {}, {"size": (9, 7)})],
    "shuffle_channels": [([normal(2, 6, 4, 3)], {}, {"groups": 2})],
    "batch_to_space": [([normal(8, 3, 3, 2)], {}, {"block": (2, 2), "crops": ((0, 0), (1, 0))})],
    "deconvnet_relu": [([INPUT], {}, {}), ([INPUT], {}, {"maximum": 0.5})],
    "guided_relu": [([INPUT], {}, {}), ([INPUT], {}, {"maximum": 0.5})],
    "redirected_clip": [([INPUT], {}, {}), ([INPUT], {}, {"minimum": -0.5, "maximum": 0.5})],
    "woken_clip": [([INPUT], {"mask": torch.ones(1, 1, 1, 1)}, {"maximum": 0.5})],
    "dequantize_range": [
        ([INPUT, normal(1), positive(1)], {}, {"mode": mode, "signed": True})
        for mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED")
    ],
    "quantize_range": [
        ([INPUT, -positive(3), positive(3)], {}, {"mode": mode, "axis": 1})
        for mode in ("MIN_COMBINED", "SCALED")
    ],
    "round_to_range": [
        ([INPUT, -positive(3), positive(3)], {}, {"axis": 1}),
        ([INPUT], {}, {"signed": False, "to_even": False}),
    ],
    **{
        kind: [([CODES, *ENDS], {}, {"bits": 8}), ([CODES, *ENDS], {}, {"bits": 8, "signed": True})]
        for kind in ("centered_codes", "range_of_codes")
    },
    "resize_codes": [([(INPUT * 40).round()], {}, {"size": (3, 7), "centers": True})],
    "clip_codes": [([CODES, *ENDS], {}, {"most": 1.5}), ([CODES, *ENDS, positive(1)], {}, {})],
    "requantize": [
        ([CODES, *ENDS, -positive(1), positive(1, seed=1)], {}, {"bits_before": 8, "signed_before": False}),
        ([normal(2, 3, 6, 5) * 9e6, *ENDS, -positive(1) * 0.01, positive(1, seed=1) * 0.01], {}, {}),
    ],
    "product_end": [([*ENDS, *ENDS], {}, {"upper": True})],
    "products": [([CODES, *ENDS, *ENDS], {}, {"signed": (False, True)})],
    "product_codes": [([CODES, *ENDS, *ENDS], {}, {"signed": (False, True)})],
    "scaled_codes": [([INPUT, *ENDS], {}, {}), ([INPUT, *ENDS], {}, {"signed": True})],
    "sum_end": [([*ENDS, *ENDS], {}, {"room": 14})],
    "add_codes": [([CODES, CODES[:, :, :1], *ENDS, -positive(1), positive(1, seed=1)], {}, {"room": 14})],
    "add_bias_codes": [([CODES, CODES[0, 0, 0], *ENDS, -positive(1), positive(1, seed=1)], {}, {})],
    "joint_end": [([*ENDS[:1], -positive(1), *ENDS[1:], positive(1)], {}, {"signed": True})],
    "whole_codes": [([INPUT], {}, {}), ([INPUT], {}, {"down": True})],
    "normalize_codes": [([CODES, *ENDS], {}, {}), ([CODES, *ENDS], {}, {"limits": (-1.0, 2.0)})],
    "batch_norm_codes": [
        (
            [
                CODES,
                *ENDS,
                *(
                    value
                    for row in range(4)
                    for value in (CODES[row % 2, 0, row], positive(1) * 0.1, positive(1))
                ),
            ],
            {},
            {"scaled": True},
        )
    ],
    "round_by_largest": [([INPUT], {}, {"axis": -1}), ([INPUT], {}, {"axis": 1, "steps": 7})],
    "round_to_steps": [([INPUT], {}, {"minimum": -1.0, "maximum": 2.0, "bits": 8})],
    "dynamic_shape": [
        ([INPUT], {}, {"kind": "reshape", "attributes": {"shape": ("$0.0", ("*", "$0.1", 6), -1)}})
    ],
    "space_to_batch": [([INPUT], {}, {"block": (2, 3), "padding": ((0, 0), (1, 0))})],
    "squared_difference": [([INPUT, normal(3, 1, 5)], {}, {})],
    "sloped_relu": [([INPUT], {"slopes": normal(3, 1, 5)}, {})],
    "thresholded_relu": [([INPUT], {}, {"threshold": 0.4, "negative_slope": 0.1, "maximum": 1.5})],
    "unit_length": [([INPUT], {}, {"axes": (1, 3)})],
    "initializer": [([], {"value": normal(2, 12)}, {"shape": (2, 3, 4), "order": (1, 0, 2)})],
    "absolute": [([INPUT], {}, {})],
    "add": [
        ([INPUT, normal(3, 1, 5)], {}, {}),
        ([INPUT], {"operand": normal(1, 3, 1, 1)}, {}),
        ([INPUT], {}, {"number": 2.0}),
    ],
    "argmax": [([INPUT], {}, {"axis": 1, "top_k": 2}), ([INPUT], {}, {"out_max_val": True})],
    "aten": [
        ([INPUT], {}, {"operator": "mean.dim", "arguments": ("$0", (2, 3)), "keywords": {"keepdim": True}}),
        ([INPUT], {"p0": normal(3, 1, 1)}, {"operator": "mul", "arguments": ("$0", "$p0")}),
        ([INPUT], {}, {"operator": "reshape", "arguments": ("$0", (("*", "$0.0", 3), -1))}),
        ([INPUT], {}, {"operator": "unbind", "arguments": ("$0", 1)}),
    ],
    "average_pool": [
        ([INPUT], {}, {"kernel": 3, "stride": 2, "padding": 1}),
        ([INPUT], {}, {"kernel": (3, 2), "stride": 2, "padding": (2, 1), "rounding": "floor"}),
        ([INPUT], {}, {"kernel": 3, "stride": 2, "padding": "same", "count_padding": False}),
    ],
    "batch_norm": [
        (
            [INPUT],
            {"mean": normal(3), "variance": positive(3), "scale_factor": positive(1)},
            {"epsilon": 1e-3},
        ),
        ([INPUT], {}, {"of_batch": True}),
        (
            [INPUT],
            {
                "mean": normal(3),
                "variance": positive(3),
                "weight": normal(3, seed=1),
                "bias": normal(3, seed=2),
            },
            {},
        ),
    ],
    "batch_reindex": [([INPUT, torch.tensor([1.0, 0.0, 1.0])], {}, {})],
    "bias": [([INPUT], {"bias": normal(3)}, {"axis": 1}), ([INPUT, normal(6, 5)], {}, {"axis": 2})],
    "bnll": [([INPUT], {}, {})],
    "clip": [([INPUT], {}, {"minimum": -0.5, "maximum": 0.5})],
    "concat": [([INPUT, normal(2, 4, 6, 5)], {}, {"axis": 1})],
    "compare": [
        ([INPUT, normal(5, seed=1)], {}, {"relation": relation})
        for relation in (
            "equal",
            "not_equal",
            "greater",
            "greater_or_equal",
            "less",
            "less_or_equal",
            "and",
            "or",
            "xor",
        )
    ],
    "constant": [([], {"value_0": normal(3, 2)}, {}), ([], {"value_0": normal(3), "value_1": normal(1)}, {})],
    "convolution": [
        (
            [INPUT],
            {"weight": normal(4, 3, 3, 3), "bias": normal(4)},
            {"stride": 2, "padding": 1, "dilation": 1},
        ),
        ([INPUT, INPUT + 1], {"weight": normal(3, 1, 3, 2)}, {"padding": (1, 0), "groups": 3}),
        ([normal(2, 3, 4, 4, 4)], {"weight": normal(2, 3, 2, 2, 2)}, {}),
        ([normal(2, 3)], {"weight": normal(4, 3)}, {}),
        ([INPUT], {"weight": normal(4, 3, 3, 2)}, {"stride": 2, "padding": "same"}),
        ([INPUT], {"weight": normal(4, 3, 3, 2)}, {"padding": (0, 1, 2, 0)}),
    ],
    "cosine": [([INPUT], {}, {})],
    "arange": [([torch.tensor(1.0), torch.tensor(7.0), torch.tensor(2.0)], {}, {})],
    "crop": [([INPUT, normal(2, 3, 4, 4)], {}, {"axis": 2, "offsets": (1, 0)})],
    "deconvolution": [
        ([INPUT], {"weight": normal(3, 2, 4, 4), "bias": normal(2)}, {"stride": 2, "padding": 1}),
        ([INPUT], {"weight": normal(3, 1, 4, 4)}, {"stride": 2, "groups": 3, "dilation": 2}),
        (
            [INPUT],
            {"weight": normal(3, 2, 4, 4)},
            {"stride": 3, "padding": (0, 1, 2, 0), "output_padding": 1},
        ),
    ],
    "dense": [
        ([INPUT], {"weight": normal(4, 90), "bias": normal(4)}, {}),
        ([INPUT], {"weight": normal(5, 4)}, {"axis": -1, "transpose": True}),
    ],
    "depth_to_space": [([normal(2, 8, 3, 2)], {}, {"block": 2, "order": o}) for o in ("depth", "column")],
    "dequantize": [
        ([INPUT], {"scale": positive(3), "zero": normal(3)}, {}),
        ([INPUT], {"scale": positive()}, {}),
    ],
    "divide": [
        ([INPUT, positive(6, 1)], {}, {}),
        ([positive(2, 3)], {"operand": positive(3)}, {"swapped": True}),
        ([INPUT], {}, {"number": 2.0}),
    ],
    "eltwise_max": [([INPUT, normal(2, 3, 6, 5, seed=1), normal(2, 3, 6, 5, seed=2)], {}, {})],
    "eltwise_product": [([INPUT, normal(2, 3, 6, 5, seed=1)], {}, {})],
    "eltwise_sum": [
        ([INPUT, normal(2, 3, 6, 5, seed=1)], {}, {}),
        ([INPUT, normal(2, 3, 6, 5, seed=1)], {}, {"coefficients": (1.0, -0.5)}),
    ],
    "elu": [([INPUT], {}, {"alpha": 0.7})],
    "embed": [([torch.tensor([[1.0], [4.0]])], {"weight": normal(5, 3), "bias": normal(3)}, {})],
    "erf": [([INPUT], {}, {})],
    "exp": [([INPUT], {}, {"base": 2.0, "scale": 0.3, "shift": 0.1})],
    "expand": [([normal(2, 1, 4)], {}, {"shape": (3, 2, 5, 1)})],
    "fill": [([torch.tensor([2.0, 3.0])], {}, {"value": 0.5})],
    "filter": [([INPUT, torch.tensor([0.0, 1.0])], {}, {})],
    "find_extreme": [([INPUT], {}, {"axis": 1}), ([INPUT], {}, {"axis": -1, "smallest": True, "last": True})],
    "flatten": [([INPUT], {}, {"axis": 1, "end_axis": 2})],
    "gather": [
        ([INPUT], {}, {"axis": 1, "number": -1}),
        ([INPUT, torch.tensor([[0.0, -1.0]])], {}, {"axis": 2}),
        ([INPUT], {"index": torch.tensor([2.0, 0.0]).double()}, {"axis": 1}),
    ],
    "gelu": [([INPUT], {}, {}), ([INPUT], {}, {"approximate": "tanh"})],
    "global_average_pool": [([INPUT], {}, {})],
    "global_max_pool": [([INPUT], {}, {})],
    "global_max_pool_with_mask": [([INPUT], {}, {})],
    "group_norm": [
        ([normal(2, 6, 3, 2)], {"weight": normal(6), "bias": normal(6)}, {"groups": 3, "epsilon": 0.1})
    ],
    "hard_sigmoid": [([INPUT], {}, {"alpha": 0.2})],
    "hard_swish": [([INPUT], {}, {})],
    "identity": [([INPUT], {}, {})],
    "im2col": [([INPUT], {}, {"kernel": (3, 2), "stride": 2, "padding": 1})],
    "layer_norm": [
        ([INPUT], {"weight": normal(5), "bias": normal(5, seed=1)}, {}),
        ([INPUT], {"weight": normal(6, 5)}, {"axis": 2, "epsilon": 0.1}),
    ],
    "log": [([positive(2, 3, 6, 5)], {}, {"base": 10.0, "scale": 2.0, "shift": 0.1})],
    "gather_in_batch": [
        ([INPUT, torch.tensor([[[1, 0]], [[4, 2]]]).double()], {}, {"axis": 3, "batch_axes": 1}),
        ([INPUT, torch.tensor([[1, 0, 5], [4, 2, 2]]).double()], {}, {"axis": 2, "batch_axes": 1}),
    ],
    "band": [([INPUT], {}, {"below": 1, "above": 2})],
    "clip_between": [([INPUT, normal(5, seed=1), normal(6, 1, seed=2)], {}, {})],
    "rgb_to_hsv": [([positive(2, 4, 3)], {}, {})],
    "hsv_to_rgb": [([positive(2, 4, 3) / 3], {}, {})],
    "adjust_colors": [([positive(2, 4, 3)], {}, {"hue": 0.3, "saturation": 0.8})],
    "stretch_contrast": [([INPUT], {}, {"factor": 1.6, "axes": (1, 2)})],
    "transform_waves": [
        ([normal(3, 8)], {}, {"transform": "rfft", "lengths": (11,)}),
        ([normal(3, 4, 6, 2)], {}, {"transform": "fft", "axes": 2}),
        ([normal(3, 5, 2)], {}, {"transform": "irfft", "lengths": (7,)}),
        ([normal(3, 5, 2)], {}, {"transform": "ifft"}),
    ],
    "sound_spectrogram": [
        ([normal(40, 2)], {}, {"window": 7, "stride": 3, "squared": squared}) for squared in (True, False)
    ],
    "mel_cepstrum": [
        (
            [positive(1, 5, 17)],
            {},
            {"rate": 16000.0, "lowest": 20.0, "highest": 7000.0, "bands": 6, "coefficients": 4},
        )
    ],
    "complex_part": [
        ([normal(3, 4, 2)], {}, {"part": part})
        for part in ("real", "imaginary", "size", "angle", "conjugate")
    ],
    "fourier_transform": [
        ([normal(2, 3, 7, 1)], {}, {"axis": 2, "length": 9, "onesided": True}),
        ([normal(2, 3, 7, 2)], {}, {"axis": 1, "length": 2}),
        ([normal(2, 3, 7, 2)], {}, {"axis": 2, "inverse": True}),
        ([normal(2, 3, 7, 2)], {}, {"axis": -2, "length": 11, "inverse": True, "onesided": True}),
    ],
    "grouped_query_attention": [
        (
            [
                normal(2, 3, 8),
                torch.tensor([4.0, 3]).double(),
                torch.tensor(5.0).double(),
                *(normal(2, 3, 4, seed=seed) for seed in (1, 2)),
                *(normal(2, 1, 2, 4, seed=seed) for seed in (3, 4)),
            ],
            {},
            {
                "heads": 2,
                "key_heads": 1,
                "given": ("key", "value", "past_key", "past_value"),
                "window": 2,
                "cap": 1.5,
            },
        ),
    ],
    "triangle": [
        ([normal(2, 3, 4)], {}, {"diagonal": 1}),
        ([normal(4, 4)], {}, {"diagonal": -1, "upper": False}),
    ],
    "linear_attention": [
        (
            [normal(2, 5, 8), normal(2, 5, 4, seed=1), normal(2, 5, 6, seed=2)],
            {},
            {"heads": 4, "key_heads": 2},
        ),
        (
            [
                *(normal(2, 5, 8 - 2 * seed, seed=seed) for seed in (0, 2, 1)),
                normal(2, 2, 2, 3, seed=3),
                normal(2, 5, 4, seed=4),
                normal(2, 5, 2, seed=5),
            ],
            {},
            {"given": ("memory", "decay", "beta"), "heads": 4, "key_heads": 2, "scale": 0.7},
        ),
    ],
    "log_softmax": [([INPUT], {}, {"axis": 1}), ([INPUT], {}, {"axis": 1, "to_the_end": True})],
    "lrn_across_channels": [
        ([normal(2, 9, 3, 2)], {}, {"size": 5, "alpha": 0.5, "beta": 0.75, "k": 2.0}),
        ([normal(2, 9, 3, 2)], {}, {"size": 3, "alpha": 0.5, "beta": 0.6}),
    ],
    "lrn_of_even_size": [([normal(2, 9, 3, 2)], {}, {"size": 4, "alpha": 0.5, "beta": 0.6, "k": 2.0})],
    "lrn_within_channel": [([INPUT], {}, {"size": 3, "alpha": 0.5, "beta": 0.75})],
    "lstm": [
        (
            [normal(3, 2, 4), CONT, normal(2, 3)],
            {
                "weight": normal(8, 4),
                "bias": normal(8),
                "static_weight": normal(8, 3),
                "hidden_weight": normal(8, 2),
            },
            {},
        ),
        (
            [normal(3, 2, 4), CONT, normal(1, 2, 2), normal(1, 2, 2, seed=1)],
            {"weight": normal(8, 4), "bias": normal(8), "hidden_weight": normal(8, 2)},
            {"expose_hidden": True},
        ),
    ],
    "lstm_of_rows": [
        (
            inputs,
            {"weight": normal(8, 4), "bias": normal(8), "hidden_weight": normal(8, 2)},
            attributes,
        )
        for inputs, attributes in (([normal(6, 4)], {"batch": 2}), ([normal(3, 4), CONT[:, 0]], {}))
    ],
    "lstm_unit": [([normal(1, 2, 3), normal(1, 2, 12), CONT[:1]], {}, {})],
    "matmul": [
        ([normal(2, 3, 4), normal(4, 5)], {}, {}),
        ([normal(2, 3, 4)], {"weight": normal(5, 4)}, {"transpose": True}),
        ([normal(2, 4, 3)], {"weight": normal(5, 4)}, {"swapped": True}),
    ],
    "maximum": [([INPUT, normal(6, 5, seed=1)], {}, {}), ([INPUT], {"operand": normal(5, seed=1)}, {})],
    "minimum": [([INPUT, normal(6, 5, seed=1)], {}, {}), ([INPUT], {}, {"number": 0.1})],
    "mish": [([INPUT], {}, {})],
    "multiply": [([INPUT, normal(6, 1)], {}, {}), ([INPUT], {"operand": normal(3, 1, 1)}, {})],
    "max_pool": [
        ([INPUT], {}, {"kernel": 3, "stride": 2}),
        ([INPUT], {}, {"kernel": (3, 2), "stride": 2, "padding": (2, 1), "rounding": "floor"}),
        ([INPUT], {}, {"kernel": 2, "dilation": (2, 1), "padding": (1, 0, 2, 1)}),
    ],
    "image_patches": [([INPUT], {}, {"kernel": (3, 2), "stride": 2, "padding": "same"})],
    "dilate": [
        ([INPUT], {"weight": normal(3, 2, 3)}, {"kernel": (3, 2), "stride": (1, 2), "padding": "same"})
    ],
    "max_pool_with_argmax": [
        ([INPUT], {}, {"kernel": (3, 2), "stride": 2, "padding": "same", "with_batch": True})
    ],
    "spread_nd": [
        ([torch.tensor([[1.0, 2], [0, 1], [1, 2]]).double(), normal(3, 4)], {}, {"shape": (2, 3, 4)})
    ],
    "max_pool_with_mask": [([INPUT], {}, {"kernel": 3, "stride": 2, "padding": 1})],
    "mvn": [([INPUT], {}, {}), ([INPUT], {}, {"across_channels": True, "normalize_variance": False})],
    "tensor": [([], {}, {"values": (1.0, 2.0, 3.0, 4.0), "shape": (2, 2)})],
    "pad": [
        ([INPUT], {}, {"padding": (1, 0, 2, -1), "value": 0.5}),
        ([INPUT], {}, {"padding": (1, 2, 0, 1), "mode": "reflect"}),
        ([INPUT], {}, {"padding": (0, 1, 0, 0, 0, 0, 2, 0), "axis": 0}),
    ],
    "assert_numbers": [([INPUT, torch.tensor([2])], {}, {"expected": (2,)})],
    "assert_decisions": [([INPUT], {}, {"decisions": ((">", ("*", "$0.2", 0.5), 2, True, ""),)})],
    "assert_shape": [([INPUT], {}, {"shape": (3, 6, 5)}), ([INPUT], {}, {"batch": 2})],
    "permute": [([INPUT], {}, {"order": (0, 2, 3, 1)}), ([INPUT], {}, {})],
    "power": [([positive(2, 3, 6, 5)], {}, {"power": 1.7, "scale": 2.0, "shift": 0.1})],
    "prelu": [([INPUT], {"weight": normal(3)}, {})],
    "dynamic_quantize": [([INPUT], {}, {})],
    "round_to_type": [([INPUT], {}, {"type": name}) for name in ("float8_e4m3fn", "bfloat16")],
    "round_to_bits": [
        (
            [INPUT],
            {"scale": positive(1, 3, 1, 1), "zero": torch.tensor(1.0).double()},
            {"low": -8, "high": 7},
        ),
        ([INPUT], {"scale": positive()}, {"low": -1, "high": 1, "rounding": "SIGN"}),
    ],
    "round_to_digits": [([INPUT], {"scale": positive()}, {"digits": 3, "smallest": -6, "largest": 448.0})],
    "wrap": [([INPUT], {}, {"bits": 2, "signed": True})],
    "quantize": [
        ([INPUT], {"scale": positive(), "zero": torch.tensor(3.0).double()}, {"high": 15}),
        ([INPUT], {"scale": positive(3)}, {"axis": 1, "low": -8, "high": 7}),
    ],
    "pow": [([positive(2, 3), normal(3)], {}, {}), ([positive(2, 3)], {}, {"number": 2.0})],
    "reduce": [
        ([positive(2, 3, 6, 5)], {}, {"summary": summary, "axes": (1, -1), "keep_axes": summary != "sum"})
        for summary in (
            "mean",
            "sum",
            "maximum",
            "minimum",
            "product",
            "l1",
            "l2",
            "sum_of_squares",
            "log_sum",
            "log_sum_exp",
        )
    ],
    "reduction": [([INPUT], {}, {"operation": op, "axis": 1}) for op in ("sum", "mean", "sum_of_squares")]
    + [([INPUT], {}, {"operation": "absolute_sum", "axis": 0, "coefficient": 2.0})],
    "relu": [([INPUT], {}, {}), ([INPUT], {}, {"negative_slope": 0.1})],
    "reshape": [([INPUT], {}, {"shape": (2, -1)}), ([INPUT], {}, {"shape": (0, -1, 2), "axis": 0})],
    "fmod": [([INPUT, positive(6, 1)], {}, {}), ([INPUT], {}, {"number": 0.7})],
    "remainder": [([INPUT, positive(6, 1)], {}, {}), ([INPUT], {}, {"number": 0.7})],
    "repeat": [([INPUT], {}, {"times": (1, 2, 1, 3)})],
    "resize": [
        ([INPUT], {}, {"scales": (1, 1, 2, 1.5)}),
        ([INPUT], {}, {"shape": (0, 0, 4, 9), "interpolation": "linear", "coordinates": "align_corners"}),
        ([INPUT], {}, {"shape": (0, 0, 9, 5), "interpolation": "cubic", "coordinates": "asymmetric"}),
    ],
    "rnn": [
        (
            [normal(3, 2, 4), CONT, normal(2, 3), normal(1, 2, 2)],
            {
                "weight": normal(2, 4),
                "bias": normal(2),
                "static_weight": normal(2, 3),
                "hidden_weight": normal(2, 2),
                "output_weight": normal(2, 2),
                "output_bias": normal(2),
            },
            {"expose_hidden": True},
        )
    ],
    "round_off": [([INPUT], {}, {"to": to}) for to in ("nearest", "floor", "ceil", "trunc")],
    "scale": [
        ([INPUT], {"weight": normal(3), "bias": normal(3)}, {}),
        ([INPUT, normal(2, 3)], {}, {"axis": 0}),
    ],
    "selu": [([INPUT], {}, {})],
    "shape_of": [([INPUT], {}, {"start": 1, "end": -1})],
    "sigmoid": [([INPUT], {}, {})],
    "sign": [([INPUT], {}, {})],
    "sine": [([INPUT], {}, {})],
    "slice": [([INPUT], {}, {"axis": 2, "points": (1, 4)}), ([INPUT], {}, {"axis": 1, "parts": 3})],
    "slice_steps": [
        ([INPUT], {}, {"starts": (-5, 4), "ends": (2**62, 0), "axes": (2, -1), "steps": (2, -2)}),
        ([INPUT], {}, {"starts": (0, 1), "ends": (1, 9)}),
    ],
    "softmax": [([INPUT], {}, {"axis": 1}), ([INPUT], {}, {"axis": 1, "to_the_end": True})],
    "softsign": [([INPUT], {}, {})],
    "space_to_depth": [([normal(2, 3, 4, 6)], {}, {"block": 2})],
    "split": [([INPUT], {}, {"copies": 2})],
    "spp": [([INPUT], {}, {"pyramid_height": 2}), ([INPUT], {}, {"pyramid_height": 2, "pool": "average"})],
    "squeeze": [([normal(2, 1, 3, 1)], {}, {"axes": (1, -1)}), ([normal(2, 1, 3)], {}, {})],
    "subscript": [
        ([INPUT], {}, {"items": (("slice", None, None, None), 1, "...", ("slice", 0, "$0.3", 2))}),
    ],
    "subtract": [([INPUT, normal(5)], {}, {}), ([INPUT], {}, {"number": 1.0, "swapped": True})],
    "swish": [([INPUT], {}, {"beta": 1.5})],
    "tanh": [([INPUT], {}, {})],
    "threshold": [([INPUT], {}, {"threshold": 0.1})],
    "tile": [([INPUT], {}, {"tiles": 3, "axis": 1})],
    "unsqueeze": [([normal(2, 3)], {}, {"axes": (0, -1)})],
    "where": [
        ([normal(6, 1).round(), INPUT[0], normal(1, 5)], {}, {}),
        ([torch.tensor([1.0, 0]).double(), INPUT, -INPUT], {}, {"rows": True}),
    ],
    "view_scatter": [
        (
            [INPUT, normal(2, 5)],
            {},
            {"kind": "subscript", "attributes": {"items": (("slice", None, None, None), 1, 2)}, "part": "$1"},
        ),
        (
            [INPUT, normal(2, 5, 6, 3)],
            {},
            {
                "kind": "aten",
                "attributes": {"operator": "transpose", "arguments": ("$0", 1, 3)},
                "part": "$1",
            },
        ),
    ],
}
EXAMPLES |= {
    "max_unpool": [
        (
            [normal(1, 2, 2, 2), torch.tensor([[[[0, 3], [13, 10]], [[5, 2], [8, 15]]]]).double()],
            {},
            {"less": (0, 0)},
        )
    ],
    "moments": [([INPUT], {}, {"axes": (1, 3)})],
    "unit_norm": [
        ([INPUT], {"weight": normal(1)}, {}),
        ([INPUT], {"weight": normal(3)}, {"across_positions": False, "epsilon": 0.1}),
    ],
    "multi_head_attention": [
        (
            [normal(2, 4, 5), normal(2, 3, 6, seed=1), normal(2, 3, 7, seed=2)],
            {
                "query_weight": normal(5, 2, 3, seed=3),
                "key_weight": normal(7, 2, 3, seed=4),
                "value_weight": normal(6, 2, 4, seed=5),
                "output_weight": normal(2, 4, 5, seed=6),
                "query_bias": normal(2, 3),
                "key_bias": normal(2, 3, seed=7),
                "value_bias": normal(2, 4, seed=8),
                "output_bias": normal(5),
            },
            {},
        ),
    ],
    "unrolled": [
        (
            [normal(2, 3, 4), *(normal(2, 2, seed=seed) for seed in range(1, states + 1))],
            {
                "weight": normal(2 * gates, 4, seed=3),
                "hidden_weight": normal(2 * gates, 2, seed=4),
                "bias": normal(*((2,) if cell == "gru" else ()), 2 * gates),
            },
            {"cell": cell, "whole": True, "states": cell == "lstm", "backwards": cell != "rnn"},
        )
        for cell, gates, states in (("lstm", 4, 2), ("gru", 3, 1), ("rnn", 1, 1))
    ],
    "mix_by_score": [
        ([normal(2, 4, 5), normal(2, 4, 5, seed=1)], {"scale": normal(1)}, {"causal": True}),
        (
            [normal(2, 4, 5), normal(2, 3, 6, seed=1), normal(2, 3, 5, seed=2)],
            {"scale": normal(5), "factor": normal(1)},
            {"score": "additive"},
        ),
    ],
    "convolutional_lstm": [
        (
            [normal(1, 2, 3, 4, 5)],
            {"weight": normal(8, 2, 3, 2), "hidden_weight": normal(8, 2, 3, 3, seed=1), "bias": normal(8)},
            {"stride": (1, 2), "padding": 1, "backwards": True, "whole": True},
        )
    ],
    "block_lstm_step": [
        (
            [normal(2, 3), normal(2, 2, seed=1), normal(2, 2, seed=2)],
            {"weight": normal(5, 8, seed=3), "bias": normal(8), "into": normal(2), "out": normal(2, seed=4)},
            {"forget_bias": 0.4},
        )
    ],
    "block_gru_step": [
        (
            [normal(2, 3), normal(2, 2, seed=1)],
            {
                "gate_weight": normal(5, 4, seed=3),
                "gate_bias": normal(4),
                "weight": normal(5, 2, seed=4),
                "bias": normal(2, seed=5),
            },
            {},
        )
    ],
    "summarize_segments": [
        ([normal(5, 3)], {}, {"index": (2, 0, -1, 2, 2), "count": 4, "summary": summary, "empty": 0.5})
        for summary in ("sum", "mean", "prod", "amax")
    ],
}
CASES = [
    pytest.param(kind, *example, id=f"{kind}-{index}")
    for kind, examples in EXAMPLES.items()
    for index, example in enumerate(examples)
]
# Which inputs are indices or switches rather than numbers with a gradient; None: the whole operation has none.
NOT_DIFFERENTIABLE = {
    "assert_numbers": {1},
    "argmax": None,
    "compare": None,
    "deconvnet_relu": None,  # another gradient on purpose
    "guided_relu": None,
    "arange": None,
    "fill": None,
    "find_extreme": None,
    "tensor": None,
    "redirected_clip": None,
    "woken_clip": None,
    "dequantize_range": {1, 2},
    **dict.fromkeys(("centered_codes", "clip_codes", "requantize", "range_of_codes", "add_codes")),
    "add_bias_codes": None,
    **dict.fromkeys(("product_codes", "scaled_codes")),
    **dict.fromkeys(("normalize_codes", "batch_norm_codes", "whole_codes", "joint_end", "sum_end")),
    "resize_codes": None,
    "divide_or_zero": {1},  # it jumps at 0
    "quantize_range": None,
    "round_to_range": None,
    "round_by_largest": None,
    "quantize": None,  # straight through, where finite differences see steps
    "round_off": None,
    "round_to_steps": None,
    "combine_bits": None,
    "diagonal_of_ones": None,
    "find_distinct": None,
    "find_nonzero": None,
    "gather_elements": {1},
    "gather_nd": {1},
    "gather_in_batch": {1},
    "hard_max": None,
    "is_finite": None,
    "is_infinite": None,
    "is_nan": None,
    "max_unpool": {1},
    "max_unpool_indices": {1},
    "grouped_query_attention": {1, 2},
    "one_hot": {0},
    "recurrent_sequence": {1},
    "reverse_sequences": {1},
    "roi_align": {1, 2},
    "rotary_embedding": {3},
    "scatter_elements": {1},
    "scatter_nd": {1},
    "select_where": {1},
    "spread_nd": {0},
    "suppress_boxes": None,
    "select_boxes": None,
    "detect_boxes": None,
    "round_to_type": None,
    "round_to_bits": None,
    "round_to_digits": None,
    "dynamic_quantize": None,
    "wrap": None,  # it jumps, and the examples lie across the jumps
    "shape_of": None,
    "sign": None,
    "threshold": None,
    "batch_reindex": {1},
    "crop": {1},
    "crop_and_resize": {1, 2},
    "embed": {0},
    "filter": {1},
    "gather": {1},
    "lstm": {1},
    "lstm_unit": {2},
    "rnn": {1},
    "where": {0},
}
# What they give depends on the numbers they get.
READS_NUMBERS = {"arange", "fill", "filter", "find_distinct", "find_nonzero", "roi_align", "select_where"}
READS_NUMBERS |= {"crop_and_resize", "grouped_query_attention", "suppress_boxes"}
LOOPS_BY_NUMBERS = {"select_boxes", "detect_boxes"}  # box by box, into as many places as are known beforehand
CHECKS_NUMBERS = {"assert_numbers", "max_unpool"}  # what does not fit is refused
GIVES_UP_THE_LAYOUT = {
    "max_unpool",
    "argmax",
    "attention",
    "batch_reindex",
    "batch_to_space",
    "constant",
    "crop_and_resize",
    "cumulate",
    "deformable_convolution",
    "dense",
    "depth_to_space",
    "dilate",
    "expand",
    "filter",
    "find_extreme",
    "flatten",
    "fourier_transform",
    "band",
    "complex_part",
    "gather_in_batch",
    "transform_waves",
    "gather",
    "hard_max",
    "im2col",
    "image_patches",
    "layer_norm",
    "layer_norm_with_statistics",
    "log_softmax",
    "matmul",
    "max_pool_with_indices",
    "pad",
    "permute",
    "pool_along_axes",
    "reorganize",
    "repeat",
    "reshape",
    "resize",
    "resize_area",
    "resize_codes",
    "resize_corners",
    "reverse_sequences",
    "roi_align",
    "rotary_embedding",
    "scatter_elements",
    "scatter_nd",
    "select_where",
    "shuffle_channels",
    "slice_steps",
    "softmax",
    "space_to_batch",
    "space_to_depth",
    "squeeze",
    "tile",
    "unsqueeze",
}
# Caffe does not learn these by gradients, and torch has none for them.
WITHOUT_GRADIENT = {"mean", "variance", "scale_factor", "index"}


def outputs_of(kind, inputs, parameters, attributes):
    result = OPERATIONS[kind](*inputs, **parameters, **attributes)
    return result if isinstance(result, tuple) else (result,)


def converted(inputs, parameters, convert):
    return [convert(tensor) for tensor in inputs], {
        role: convert(tensor) for role, tensor in parameters.items()
    }


def test_every_operation_has_an_example():
    """Formats register operations of their own (layers that users teach); some have oracles of their own elsewhere."""
    library = "convscope.network.operations."
    modules = {kind: function.__module__ for kind, function in OPERATIONS.items()}
    others = (
        "losses",
        "detection",
        "intervention",
        "regions",
        "cascade_regions",
        "score_maps",
        "optical_flow",
        "deep_lift_rules",
    )
    elsewhere = {library + name for name in others}
    own = {kind for kind, module in modules.items() if module.startswith(library) and module not in elsewhere}
    assert own == set(EXAMPLES)


def test_the_table_is_complete_without_side_imports():
    code = (
        "from convscope.network.operations import OPERATIONS; before = set(OPERATIONS); "
        "import convscope.caffe, convscope.cli, convscope.rerunning, convscope.optimization.rescue; "
        "print(sorted(set(OPERATIONS) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("kind", "inputs", "parameters", "attributes"), CASES)
def test_nothing_is_written_in_place(kind, inputs, parameters, attributes):
    before = copy.deepcopy((inputs, parameters))
    outputs_of(kind, inputs, parameters, attributes)
    assert all(torch.equal(old, new) for old, new in zip(before[0], inputs, strict=True))
    assert all(torch.equal(before[1][role], parameters[role]) for role in parameters)


@pytest.mark.parametrize(("kind", "inputs", "parameters", "attributes"), CASES)
def test_single_precision_agrees_with_double(kind, inputs, parameters, attributes):
    expected = outputs_of(kind, inputs, parameters, attributes)
    found = outputs_of(kind, *converted(inputs, parameters, torch.Tensor.float), attributes)
    for single, double in zip(found, expected, strict=True):
        assert single.dtype == torch.float32
        torch.testing.assert_close(single, double.float(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("kind", "inputs", "parameters", "attributes"), CASES)
def test_channels_last_memory_gives_the_same(kind, inputs, parameters, attributes):
    def channels_last(tensor):
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor

    expected = outputs_of(kind, inputs, parameters, attributes)
    found = outputs_of(kind, *converted(inputs, parameters, channels_last), attributes)
    for other, usual in zip(found, expected, strict=True):
        torch.testing.assert_close(other, usual)
    # What has the shape of a map keeps the layout: the next layer is fast too.
    if kind not in GIVES_UP_THE_LAYOUT and inputs and inputs[0].dim() == 4:
        maps = [tensor for tensor in found if tensor.dim() == 4 and min(tensor.shape[1:]) > 1]
        assert all(tensor.stride(1) == 1 for tensor in maps), [tensor.stride() for tensor in maps]


@pytest.mark.parametrize(("kind", "inputs", "parameters", "attributes"), CASES)
def test_shapes_are_known_without_memory(kind, inputs, parameters, attributes):
    if kind in READS_NUMBERS:
        pytest.skip("its shape depends on the numbers; test_combination holds that it says so")
    expected = outputs_of(kind, inputs, parameters, attributes)
    found = outputs_of(kind, *converted(inputs, parameters, lambda tensor: tensor.to("meta")), attributes)
    assert [tensor.shape for tensor in found] == [tensor.shape for tensor in expected]
    assert [tensor.dtype for tensor in found] == [tensor.dtype for tensor in expected]


@pytest.mark.parametrize(("kind", "inputs", "parameters", "attributes"), CASES)
def test_a_shape_rule_agrees_or_says_nothing(kind, inputs, parameters, attributes):
    shapes = [tuple(tensor.shape) for tensor in inputs]
    ruled = shape_by_rule(
        kind, shapes, {role: tuple(tensor.shape) for role, tensor in parameters.items()}, attributes
    )
    assert ruled in (None, tuple(outputs_of(kind, inputs, parameters, attributes)[0].shape))


# What nearly every network is made of: opening one never waits for torch to run these.
RULED = {
    *("convolution", "max_pool", "average_pool", "global_average_pool", "dense", "concat", "batch_norm", "scale"),
    *("bias", "tensor", "mish", "selu", "softsign", "hard_sigmoid", "hard_swish", "threshold", "bnll"),
    *("eltwise_sum", "eltwise_max", "eltwise_product", "add", "subtract", "multiply", "divide", "maximum", "minimum"),
    *("relu", "sigmoid", "tanh", "elu", "swish", "gelu", "clip", "absolute", "power", "exp", "log", "identity"),
    *("softmax", "log_softmax", "lrn_across_channels", "layer_norm", "pad", "squeeze", "reshape", "reduce"),
    "initializer",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(RULED))
def test_the_shape_rule_of_the_usual_kinds_answers(kind):
    """A rule that never answers would stay green everywhere else."""
    found = [
        shape_by_rule(
            kind,
            [tuple(tensor.shape) for tensor in inputs],
            {role: tuple(tensor.shape) for role, tensor in parameters.items()},
            attributes,
        )
        for inputs, parameters, attributes in EXAMPLES[kind]
    ]
    assert any(shape is not None for shape in found)


@pytest.mark.parametrize(("kind", "inputs", "parameters", "attributes"), CASES)
def test_gradients_are_those_of_finite_differences(kind, inputs, parameters, attributes):
    fixed = NOT_DIFFERENTIABLE.get(kind, set())
    if fixed is None:
        pytest.skip("it has no gradient")
    inputs = [tensor.clone().requires_grad_(index not in fixed) for index, tensor in enumerate(inputs)]
    roles = list(parameters)
    tensors = [parameters[role].clone().requires_grad_(role not in WITHOUT_GRADIENT) for role in roles]

    def differentiable(*tensors):
        named = dict(zip(roles, tensors[len(inputs) :], strict=True))
        found = outputs_of(kind, tensors[: len(inputs)], named, attributes)
        return tuple(tensor for tensor in found if tensor.requires_grad)

    assert torch.autograd.gradcheck(differentiable, (*inputs, *tensors))


def graph_module(kind, inputs, parameters, attributes):
    graph = fx.Graph()
    positional = [graph.placeholder(f"input_{index}") for index in range(len(inputs))]
    named = {role: graph.placeholder(role) for role in parameters}
    graph.output(graph.call_function(OPERATIONS[kind], tuple(positional), {**named, **attributes}))
    return fx.GraphModule(torch.nn.Module(), graph)


@pytest.mark.parametrize(("kind", "inputs", "parameters", "attributes"), CASES)
def test_a_torch_fx_graph_runs_it(kind, inputs, parameters, attributes):
    expected = outputs_of(kind, inputs, parameters, attributes)
    found = graph_module(kind, inputs, parameters, attributes)(*inputs, *parameters.values())
    for other, usual in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        assert torch.equal(other, usual)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "inputs", "parameters", "attributes"), CASES)
def test_torch_compile_takes_it_whole(kind, inputs, parameters, attributes):
    if kind in READS_NUMBERS | LOOPS_BY_NUMBERS | CHECKS_NUMBERS:
        pytest.skip("what it does depends on the numbers")
    torch.compiler.reset()
    module = graph_module(kind, inputs, parameters, attributes)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True, dynamic=False)
    expected = outputs_of(kind, inputs, parameters, attributes)
    found = compiled(*inputs, *parameters.values())
    for other, usual in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        torch.testing.assert_close(other, usual)
