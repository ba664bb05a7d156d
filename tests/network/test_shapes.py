"""Shapes by rule against the operations themselves, run on tensors without memory."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.errors import ConvscopeError
from convscope.network.operations import KINDS, OPERATIONS
from convscope.network.shapes import shape_by_rule

sizes = st.integers(1, 9)
small = st.integers(0, 4)
paddings = st.one_of(small, st.sampled_from(["same", "same_lower"]), st.tuples(small, small, small, small))


def by_running(kind, inputs, parameters, attributes):
    tensors = [torch.empty(shape, device="meta") for shape in inputs]
    keywords = {role: torch.empty(shape, device="meta") for role, shape in parameters.items()}
    try:
        result = OPERATIONS[kind](*tensors, **keywords, **attributes)
    except (ConvscopeError, RuntimeError, IndexError, ValueError):
        return None
    return tuple(result.shape)


# Those that need attributes of their own are held to their rules by the examples of test_operations.
WITH_EXAMPLES = {
    "bias",
    "layer_norm",
    "log_softmax",
    "lrn_across_channels",
    "tensor",
    "pad",
    "reduce",
    "reshape",
}
WITH_EXAMPLES |= {"squared_difference", "squeeze", "initializer", "stretch_contrast"}
WITH_EXAMPLES |= {"adjust_colors", "hsv_to_rgb", "rgb_to_hsv"}  # whose last axis is a color
# Those on codes, which need the ends of ranges as further inputs.
WITH_EXAMPLES |= {"centered_codes", "clip_codes", "requantize", "products", "product_codes", "scaled_codes"}
WITH_EXAMPLES |= {"add_codes", "add_bias_codes", "product_end", "sum_end", "joint_end"}
# Those that are another kind but for their gradient, named here.
OF_KINDS = {"rescaled": "relu", "rescaled_maximum": "max_pool", "averaged_gradients": "softmax"}
RULED = {kind for kind, facts in KINDS.items() if facts.shape is not None}


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_rule_agrees_with_the_operation_or_says_nothing(data) -> None:
    kind = data.draw(st.sampled_from([*sorted(RULED - WITH_EXAMPLES), "relu", "identity"]))
    of = OF_KINDS.get(kind)
    shape = tuple(data.draw(st.lists(sizes, min_size=2, max_size=4)))
    inputs, parameters, attributes = [shape], {}, {}
    if kind == "convolution":
        kernel = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        groups = data.draw(st.sampled_from([1, 2]))
        parameters["weight"] = (4, data.draw(st.sampled_from([shape[1], shape[1] // groups or 1])), *kernel)
        attributes = {
            "stride": data.draw(st.integers(1, 3)),
            "padding": data.draw(paddings),
            "groups": groups,
        }
        attributes["dilation"] = data.draw(st.sampled_from([1, 2, (1, 2)]))
    elif kind in ("max_pool", "average_pool") or of == "max_pool":
        attributes = {"kernel": data.draw(st.integers(1, 5)), "stride": data.draw(st.integers(1, 4))}
        attributes |= {
            "padding": data.draw(paddings),
            "rounding": data.draw(st.sampled_from(["ceil", "floor"])),
        }
    elif kind == "dense":
        attributes = {"axis": data.draw(st.integers(-2, 3)), "transpose": data.draw(st.booleans())}
        count = data.draw(st.sampled_from([torch.Size(shape).numel(), torch.Size(shape[1:]).numel(), 7]))
        parameters["weight"] = (count, 5) if attributes["transpose"] else (5, count)
    elif kind in ("concat", "eltwise_sum", "eltwise_max", "eltwise_product"):
        inputs += data.draw(st.lists(st.sampled_from([shape, shape[::-1]]), min_size=1, max_size=2))
        attributes = {"axis": data.draw(st.integers(-2, 3))} if kind == "concat" else {}
    elif kind in ("batch_norm", "scale"):
        channels = data.draw(st.sampled_from([shape[1], 3]))
        roles = ("mean", "variance") if kind == "batch_norm" else ("weight", "bias")
        parameters = dict.fromkeys(roles, (channels,))
    elif "softmax" in (kind, of):
        attributes = {"axis": data.draw(st.integers(-4, 4))}
    elif kind == "set_units":
        each = st.sampled_from([shape, (1, shape[1], *(1 for _ in shape[2:])), (1,) * len(shape), (3,)])
        parameters = {role: data.draw(each) for role in ("mask", "values")}
    attributes |= {"of": of} if of else {}
    ruled = shape_by_rule(kind, inputs, parameters, attributes)
    if ruled is not None:
        assert ruled == by_running(kind, inputs, parameters, attributes)


def test_the_ordinary_needs_no_running() -> None:
    assert shape_by_rule("convolution", [(1, 3, 227, 227)], {"weight": (96, 3, 11, 11)}, {"stride": 4}) == (
        1, 96, 55, 55,
    )  # fmt: skip
    assert shape_by_rule("max_pool", [(1, 96, 55, 55)], {}, {"kernel": 3, "stride": 2}) == (1, 96, 27, 27)
    assert shape_by_rule("dense", [(1, 256, 6, 6)], {"weight": (4096, 9216)}, {}) == (1, 4096)
    assert shape_by_rule("relu", [(1, 4, 5, 6)], {}, {}) == (1, 4, 5, 6)
    assert shape_by_rule("relu", [(1, 4), (1, 4)], {}, {}) is None
    assert shape_by_rule("rescaled", [(2, 4, 5, 6)], {}, {"of": "relu"}) == (2, 4, 5, 6)
