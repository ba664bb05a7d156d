"""In which numbers a layer says that Keras computes it: its policy of types, in any of the ways Keras has written it.

That is a name (``"mixed_float16"``), an object with one (``{"class_name": "Policy", "config": {"name": ...}}``), or
with the name of the policy it was before it was quantized, or a map with a policy for each layer inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from convscope.formats.keras.model import KerasLayer
from convscope.formats.keras.quantized import FLOAT8, mode_of
from convscope.formats.short_numbers import SHORT

_INNER = ("layer", "forward_layer", "backward_layer", "cell")
_DEEP = 8  # wrappers in wrappers, maps of policies


def computed_in(layer: KerasLayer) -> frozenset[str]:
    """Return the types of few digits in which Keras computes a layer, or one inside it.

    >>> computed_in(KerasLayer("conv", "Conv2D", {"dtype": "mixed_bfloat16"}, ()))
    frozenset({'bfloat16'})
    """
    types = {name.removeprefix("mixed_") for name in _of_layer(layer.config, _DEEP)} & SHORT
    # In float32 its rounding to float8 is Keras's own; behind shorter numbers other ones are rounded.
    return frozenset(types | ({FLOAT8} if types and mode_of(layer) == FLOAT8 else set()))


def _of_layer(config: Mapping[str, Any], depth: int) -> Iterator[str]:
    yield from _named(config.get("dtype"), depth)
    for name in _INNER:
        inner = config.get(name)
        if depth and isinstance(inner, Mapping) and isinstance(inner.get("config"), Mapping):
            yield from _of_layer(inner["config"], depth - 1)


def _named(policy: Any, depth: int) -> Iterator[str]:
    if isinstance(policy, str):
        yield policy
    elif isinstance(policy, Mapping) and depth:
        config = policy.get("config")
        config = config if isinstance(config, Mapping) else {}
        for name in ("name", "source_name", "default_policy"):
            yield from _named(config.get(name), depth - 1)
        policies = config.get("policy_map")
        for one in policies.values() if isinstance(policies, Mapping) else ():
            yield from _named(one, depth - 1)
