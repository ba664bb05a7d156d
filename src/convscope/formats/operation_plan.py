"""What a layer, a node or a call of any format becomes: an operation to be, before its values have names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class OperationPlan:
    """One operation of `convscope.network.operations`, as a translation gives it to the builder.

    `inputs` are the values it reads, by name (a trace's are tensors); of several plans after another, "" is what the
    one before makes, and no inputs at all are everything the layer reads. `parameters` maps the function's keyword to
    what the format calls the numbers. `outputs` counts what it makes; `label` is what the format calls this part of
    the layer, where it has a word for it.

    >>> OperationPlan("convolution", ("data",), {"weight": "conv1.kernel"}, {"stride": (2, 2)})
    """

    kind: str
    inputs: Sequence[Any] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    label: str = ""
