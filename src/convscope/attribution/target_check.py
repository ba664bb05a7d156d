"""What cannot be explained says so before any method starts: one line, the same from all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.network.box_rows import require_one_quantity
from convscope.network.network import Network

if TYPE_CHECKING:
    from convscope.attribution.target import AttributionTarget, TargetTerm

ANOTHER_BASELINE = ", or try another baseline or method"


def require_input(network: Network, input: Tensor, channel_axis: int, *, signals: bool = False) -> None:
    """InputError for an input that is not one picture of numbers, in the channels that the network expects.

    With `signals` it may be one signal, volume or film of a network that takes such.
    """
    is_signal = network.input_spec is None and input.dim() in (3, 5)
    if is_signal and not signals:
        raise InputError(
            f"this is for pictures, not for an input of {tuple(input.shape)}: the evidence in signals and volumes "
            "is shown by saliency, integrated_gradients, occlusion, grad_cam and most others"
        )
    if (input.dim() != 4 and not is_signal) or len(input) != 1:
        several = input.dim() == 4 and len(input) > 1
        remedy = "give one of them, input[:1]" if several else "network.preprocess(picture) makes it"
        if network.input_spec is None and not several:
            remedy = f"{network.name} expects {dict(network.graph.inputs)}"
        raise InputError(
            f"one picture is explained at a time, not an input of {tuple(input.shape)}: {remedy}"
        )
    if not input.is_floating_point():
        raise InputError(
            f"an input is a float tensor, as network.preprocess(picture) makes it, not one of {input.dtype}"
        )
    if not input.isfinite().all():
        raise InputError("this input holds NaN or infinity, so there is nothing to explain: give a picture")
    spec, channels = network.input_spec, input.shape[channel_axis]
    if spec is not None and channels != spec.channels:
        order = "height, width, channels" if channel_axis == -1 else "channels, height, width"
        raise InputError(
            f"an input of {tuple(input.shape)} has {channels} channels; {network.name} expects {spec.channels}, in the "
            f"order (1, {order}): network.preprocess(picture) makes it"
        )


def weight_of(target: object, weight: Any) -> float:
    """Return the weight of one of several targets; InputError for what is no number."""
    try:
        number = float(weight)
    except (TypeError, ValueError):
        number = float("nan")
    if not isfinite(number):
        raise InputError(f"the weight of {str(target)!r} is a number, as in {{'tabby': 1}}, not {weight!r}")
    return number


def require_terms(network: Network, terms: Sequence[TargetTerm], size: tuple[int, int]) -> None:
    """InputError for a target of nothing, one that is always 0, the picture itself, or a place that is not there.

    `size` is the picture's height and width.
    """
    weights: dict[str, float] = defaultdict(float)
    for term in terms:
        weights[str(term)] += term.weight
        if term.address.layer in network.graph.inputs:
            raise InputError(
                f"{term.address.layer!r} is the picture itself: explain what a layer answers to it"
            )
        if term.region is None:
            require_one_quantity(network, term.address)
    if not terms:
        raise InputError("a target of nothing: give a class by its label or number, or an address")
    if not any(weights.values()):
        raise InputError(f"{' and '.join(weights)}: with these weights that is always 0; give other targets")
    for term in terms:
        if (term.region or term.address.position) and network.input_spec is not None:
            _require_place(network, term, size)


def _require_place(network: Network, term: TargetTerm, size: tuple[int, int]) -> None:
    layer = term.address.layer
    shape = network.shapes_at(size, [layer])[layer]
    if shape is not None:
        term.number(network.channels_first(layer, torch.empty(shape, device="meta")))


def require_finite(
    target: AttributionTarget, numbers: Tensor, inputs: Tensor, which: str = "", also: str = ""
) -> None:
    """InputError, with the first layer that is to blame, where the answer to one of the inputs is no number.

    `which` says of what pictures, where they are not the one that is explained; `also` what else can be done then.
    """
    broken = ~numbers.detach().isfinite()
    if not broken.any():
        return
    where = target.network.first_nonfinite(inputs[broken.nonzero()[:1, 0]].detach())
    raise InputError(f"{target} is NaN or infinite{which}: {where}; explain a layer before{also}")


def require_finite_baseline(target: AttributionTarget, numbers: Tensor, baseline: Tensor) -> None:
    """InputError where the answer to the baseline is no number: what is compared with it would be none either."""
    require_finite(target, numbers, baseline, " for the baseline", ANOTHER_BASELINE)


def require_finite_map(target: AttributionTarget, method: str, values: Any) -> None:
    """InputError where a map is no number, though the answer is: a gradient may be NaN all the same."""
    if not isfinite(float(values.sum())):
        raise InputError(
            f"{method} of {target.words} is NaN or infinite for this picture: explain a layer before, or use a method "
            "without gradients, as occlusion"
        )
