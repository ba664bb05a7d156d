"""Layers that people teach convscope, by type, for every format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from torch import Tensor

TensorFunction = Callable[..., Tensor | tuple[Tensor, ...]]


@dataclass(frozen=True)
class CustomLayer:
    """What was taught about a type: its function of tensors, and the keywords under which it gets its parameters."""

    function: TensorFunction
    roles: tuple[str, ...] = ()

    def accepted(self, keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the keywords that the function takes."""
        parameters = signature(self.function).parameters
        if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()):
            return dict(keywords)
        return {name: value for name, value in keywords.items() if name in parameters}


CUSTOM_LAYERS: dict[str, CustomLayer] = {}
