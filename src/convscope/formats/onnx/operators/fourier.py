"""Fourier transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import reads, writes
from convscope.formats.onnx.writer import Part
from convscope.formats.operation_plan import OperationPlan


@reads("DFT")
def read_fourier_transform(node: Node) -> OperationPlan:
    """Turn a DFT into one."""
    rank, shape = node.rank(), node.shape(0) or ()
    attributes: dict[str, Any] = {
        name: bool(node.attributes.get(name, 0)) for name in ("inverse", "onesided")
    }
    if (
        not shape
        or shape[-1] not in (1, 2)
        or (attributes["onesided"] and attributes["inverse"] != (shape[-1] == 2))
    ):
        raise node.refusal(f"it transforms {shape} one-sided, or what is no complex number")
    attributes["axis"] = axis = _axis(node, rank)
    length: Any = node.known(1, "length")
    if length is not None and (int(length.reshape(())) != shape[axis] or _to_real(attributes)):
        attributes["length"] = int(length.reshape(()))  # else left out, so that other sizes fit
    return OperationPlan("fourier_transform", node.inputs[:1], attributes=attributes)


@reads("STFT", inputs=2)
def read_short_time_transform(node: Node) -> list[OperationPlan]:
    """Turn an STFT into frames of a signal, times its window where it has one, and a DFT of each."""
    shape, step = node.shape(0) or (), node.numbers(1, "frame_step")
    onesided = bool(node.attributes.get("onesided", 1))
    if step is None or len(shape) != 3 or shape[-1] not in (1, 2) or (onesided and shape[-1] == 2):
        raise node.refusal(f"it transforms {shape} one-sided, or what is no complex number")
    length = node.numbers(3, "frame_length")
    frame = int((node.shape(2) or (0,))[0] if length is None else length.reshape(()))
    if not 0 < frame <= shape[1] or int(step.reshape(())) < 1:
        raise node.refusal(f"its frames are of {frame}, each {int(step.reshape(()))} behind the one before")
    frames = ("$0", 1, frame, int(step.reshape(())))
    plans = [
        OperationPlan("aten", node.inputs[:1], attributes={"operator": "unfold", "arguments": frames}),
        OperationPlan("permute", ("",), attributes={"order": (0, 1, 3, 2)}),
    ]
    if node.has(2):
        window = OperationPlan("unsqueeze", node.inputs[2:3], attributes={"axes": (1,)})
        plans = [window, *plans, OperationPlan("multiply", ("", "#0"))]
    transform = {"inverse": False, "onesided": onesided, "axis": 2}
    return [*plans, OperationPlan("fourier_transform", ("",), attributes=transform)]


def _to_real(attributes: Mapping[str, Any]) -> bool:
    return bool(attributes["inverse"] and attributes["onesided"])


def _axis(node: Node, rank: int) -> int:
    """Return the axis along which it goes, counted from the front; before opset 20 an attribute."""
    statement: Any = node.numbers(2, "axis")
    usual = 1 if node.opset < 20 else -2
    axis = int(node.attributes.get("axis", usual) if statement is None else statement.reshape(()))
    if not -rank <= axis < rank or axis % rank == rank - 1:
        raise node.refusal(f"it goes along axis {axis} of {rank}")
    return axis % rank


@writes("fourier_transform")
def write_fourier_transform(part: Part) -> None:
    """Write a DFT."""
    flags = {name: int(part.attributes.get(name, False)) for name in ("inverse", "onesided")}
    if all(flags.values()):
        raise part.refusal(
            "its way back to real numbers came with a later version of ONNX; save a .convscope instead"
        )
    length = part.attributes.get("length")
    more = [] if length is None else [part.numbers(int(length))]
    part.write("DFT", part.inputs[0], *more, axis=int(part.attributes["axis"]), **flags)
