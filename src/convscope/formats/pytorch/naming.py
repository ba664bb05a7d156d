"""What the values of a trace are called: the dotted path of the module that made them, as `named_modules` has it.

``layer1.0.conv1`` is what that module gave, whatever is written over it later. A module that runs twice has
``relu#1`` and ``relu#2``, and ``relu`` is the last. What no module of its own makes is called by its function:
``layer1.0.add``, and ``layer1.0.add_1`` for the next one. A block's name means what the block gave. A module that is
called as an input of the network is ``x#1``: ``x`` is the input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from convscope.formats.pytorch.modules import Call
from convscope.formats.pytorch.values import TraceStep


@dataclass
class Names:
    """Value number to name, step (by the number of its first output) to torch's word for what made it, aliases."""

    values: dict[int, str]
    types: dict[int, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


def name_values(
    inputs: Sequence[str], steps: Sequence[TraceStep], calls: Sequence[Call], paths: Iterable[str]
) -> Names:
    """Return what everything is called; `inputs` are the names of the first values."""
    names, modules = Names(dict(enumerate(inputs))), set(paths)
    makers = {value: step for step in steps for value in step.outputs}
    counts = Counter(call.path for call in calls if call.path)
    others: list[tuple[str, int]] = []
    for call in calls:
        if not call.path:
            continue
        several = counts[call.path] > 1 or call.path in inputs
        own = f"{call.path}#{call.number}" if several else call.path
        for place, value in call.results.items():
            full = _result_name(own, place, modules)
            step = makers.get(value)
            if call.is_leaf and step and (step.path, step.call) == (call.path, call.number):
                names.values.setdefault(value, full)
                names.types.setdefault(step.outputs[0], call.type_name)
            others.append((full, value))
            if own != call.path and call.number == counts[call.path]:
                others.append((_result_name(call.path, place, modules), value))
    _name_functions(names, steps, {*modules, *inputs})
    for name, value in others:
        if name != names.values[value] and name not in inputs:
            names.aliases[name] = names.values[value]
    return names


def _result_name(owner: str, place: str, modules: Container[str]) -> str:
    """Return the name of one of several results; that of a module inside stays the module's."""
    full = f"{owner}.{place}" if place else owner
    return f"{owner}.results.{place}" if place and full in modules else full


def _name_functions(names: Names, steps: Sequence[TraceStep], used_names: set[str]) -> None:
    """Name what no module made, by its function and the module it stands in."""
    used_names |= set(names.values.values())
    counts = Counter[str]()
    for step in steps:
        word = step.plan.label.partition(".")[0].strip("_") or step.plan.kind
        names.types.setdefault(step.outputs[0], word)
        if all(value in names.values for value in step.outputs):
            continue
        base = f"{step.path}.{word}" if step.path else word
        for index, value in enumerate(step.outputs):
            candidate = f"{base}.{index}" if len(step.outputs) > 1 else base
            name = f"{candidate}_{counts[candidate]}" if counts[candidate] else candidate
            while name in used_names:
                counts[candidate] += 1
                name = f"{candidate}_{counts[candidate]}"
            names.values.setdefault(value, name)
            used_names.add(names.values[value])
