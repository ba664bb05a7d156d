"""Which value each tensor of a trace holds now: tensors are written in place and seen through views, values are not.

Where torch writes into a tensor, the tensor holds a new value from then on; so do the tensor it is a view of and all
other views of that, each worked out again when it is next read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from convscope.errors import UnsupportedLayer
from convscope.formats.operation_plan import OperationPlan


def memory_of(tensor: Tensor) -> int:
    """Return what tells the memory of a tensor from that of others: a view has its base's."""
    return int(tensor.untyped_storage()._cdata)


@dataclass
class TraceStep:
    """One operation of a trace: its plan, whose parameters are tensors and whose label is torch's word for it.

    What the plan reads and the `outputs` are values, numbered in the order they are made. `path` is the module it ran
    in, and `call` which of that module's calls it was.
    """

    plan: OperationPlan
    path: str = ""
    call: int = 0
    outputs: tuple[int, ...] = ()


@dataclass
class _Held:
    """A tensor and the value it holds; of a view also what is under it, which value that had, and how it is seen."""

    tensor: Tensor
    value: int
    under: Tensor | None = None
    of: int = 0
    how: tuple[TraceStep, int] | None = None


@dataclass
class Values:
    """The tensors of a trace and the steps that made their values.

    Torch counts what is written into a tensor: where it has counted more than was followed (``y.set_(x)`` goes past
    every trace), the tensor is not read.
    """

    steps: list[TraceStep] = field(default_factory=list)
    path: str = ""
    call: int = 0
    _held: dict[int, _Held] = field(default_factory=dict)
    _versions: dict[int, int] = field(default_factory=dict)  # by the memory
    _count: int = 0

    def new(self) -> int:
        """Return the number of a value that is to be made."""
        self._count += 1
        return self._count - 1

    def __contains__(self, tensor: Any) -> bool:
        return id(tensor) in self._held

    def add(self, step: TraceStep, count: int = 1) -> tuple[int, ...]:
        """Append a step and return its values' numbers."""
        step.path, step.call = self.path, self.call
        step.outputs = tuple(self.new() for _ in range(count))
        self.steps.append(step)
        return step.outputs

    def hold(self, tensor: Tensor, value: int) -> None:
        """Say which value a tensor holds that shares its memory with no other."""
        self._held[id(tensor)] = _Held(tensor, value)
        self.note_version(tensor)

    def hold_view(self, tensor: Tensor, value: int, under: Tensor, how: tuple[TraceStep, int]) -> None:
        """Say which value a view holds; `how` is a step that shows it, and which of the step's outputs it is."""
        self._held[id(tensor)] = _Held(tensor, value, under, self.read(under), how)
        self.note_version(tensor)

    def base_of(self, tensor: Tensor) -> Tensor:
        """Return the tensor whose memory a tensor shows."""
        entry = self._held[id(tensor)]
        return tensor if entry.under is None else self.base_of(entry.under)

    def read(self, tensor: Tensor) -> int:
        """Return the value a tensor holds; a view of what was written to since is looked at again."""
        entry = self._held[id(tensor)]
        if tensor._version > self._versions.get(memory_of(tensor), 0):
            raise UnsupportedLayer("a tensor is written into past torch's functions, as in y.set_(x)")
        if entry.under is None or entry.how is None:
            return entry.value
        now = self.read(entry.under)
        if now != entry.of:
            step, index = entry.how
            first = step.plan.inputs[0]
            inputs = tuple(now if value == first else value for value in step.plan.inputs)
            again = TraceStep(replace(step.plan, inputs=inputs))
            entry.value, entry.of = self.add(again, len(step.outputs))[index], now
            entry.how = (again, index)
        return entry.value

    def write(self, tensor: Tensor, value: int) -> None:
        """Say that a tensor holds another value from now on, and with it the tensor it is a view of."""
        entry = self._held[id(tensor)]
        self.note_version(tensor)
        if entry.under is not None and entry.how is not None:
            now = self.read(entry.under)
            step, index = entry.how
            plan, inputs = step.plan, (now, *step.plan.inputs[1:], value)
            attributes = {"kind": plan.kind, "attributes": dict(plan.attributes), "index": index}
            attributes["part"] = f"${len(inputs) - 1}"
            scatter = replace(plan, kind="view_scatter", inputs=inputs, attributes=attributes)
            (whole,) = self.add(TraceStep(scatter))
            self.write(entry.under, whole)
            entry.of = whole
        entry.value = value

    def note_version(self, tensor: Tensor) -> None:
        """Take what was written into a tensor's memory so far for followed."""
        memory = memory_of(tensor)
        self._versions[memory] = max(self._versions.get(memory, 0), tensor._version)
