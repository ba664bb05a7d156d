"""Inputs of a node that are an operation's parameters: stored in the file, or worked out while the network runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import WRITERS, writes
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan


def with_parameters(
    node: Node,
    kind: str,
    roles: Mapping[str, str],
    attributes: Mapping[str, Any] | None = None,
    *,
    inputs: Sequence[str] | None = None,
    outputs: int = 1,
) -> OperationPlan:
    """Return an operation with these of the node's inputs as its parameters; those that are values are its inputs.

    `inputs` are what it reads besides, the node's first unless given.
    """
    read, settings = tuple(node.inputs[:1] if inputs is None else inputs), dict(attributes or {})
    live = {role: name for role, name in roles.items() if name not in node.constants}
    if not live:
        return OperationPlan(kind, read, roles, settings, outputs)
    stored = {role: name for role, name in roles.items() if role not in live}
    settings |= {"kind": kind, "roles": tuple(live)}
    return OperationPlan("dynamic", (*read, *live.values()), stored, settings, outputs)


def inputs_by_role(node: Node, *roles: str, first: int = 1) -> dict[str, str]:
    """Return the node's inputs from one on by the roles they have; those that are left out are not there."""
    return {role: node.inputs[at] for at, role in enumerate(roles, start=first) if node.has(at)}


def with_numbers(
    node: Node, kind: str, role: str, index: int, attributes: Mapping[str, Any] | None = None
) -> OperationPlan:
    """Return an operation one of whose settings is worked out while the network runs: axes, say."""
    settings = {**(attributes or {}), "kind": kind, "roles": (role,), "numbers": (role,)}
    return OperationPlan("dynamic", (node.inputs[0], node.inputs[index]), attributes=settings)


def live_inputs(node: Node, *roles: str, first: int = 1) -> dict[str, str]:
    """Return those of the node's inputs that are worked out while the network runs, by the roles they have."""
    given = inputs_by_role(node, *roles, first=first)
    return {role: name for role, name in given.items() if name not in node.constants}


def with_live_numbers(plan: OperationPlan, live: Mapping[str, str], *, single: bool = True) -> OperationPlan:
    """Return an operation whose settings of these roles are worked out while the network runs: one number each."""
    if not live:
        return plan
    settings = {**plan.attributes, "kind": plan.kind, "roles": tuple(live)}
    settings["single" if single else "numbers"] = tuple(live)
    return replace(plan, kind="dynamic", inputs=(*plan.inputs, *live.values()), attributes=settings)


@writes("dynamic")
def write_dynamic(part: Part) -> None:
    """Write the operation that has its parameters from values."""
    if live := (*part.attributes.get("numbers", ()), *part.attributes.get("single", ())):
        raise part.refusal(f"its {live[0]} is worked out while the network runs")
    WRITERS[part.attributes["kind"]](part.with_values())
