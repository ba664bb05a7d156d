"""Sums between a DequantizeLinear and a QuantizeLinear are of whole numbers times one step: rounded as such.

That is what the file means, and what onnxruntime computes where it joins the three. Floats are off by a little, and
where a sum lies nearly right between two codes that is another code, and more behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from convscope.formats.onnx.constants import Constant, constant_of
from convscope.network.graph import Operation

_STRAIGHT = ("relu", "identity")  # what keeps a whole number of steps one


@dataclass(frozen=True)
class Scale:
    """What 1 stands for among a stored tensor's codes: one number, or one for each entry of the axis."""

    constant: Constant
    axis: int


def with_whole_sums(
    operations: Iterable[Operation], scales: Mapping[str, Scale], constants: Mapping[str, Constant]
) -> Iterator[tuple[Operation, Constant | None]]:
    """Yield each operation, a quantization of such sums with the name of their step, and the step.

    `scales` are those of the stored tensors that were dequantized, by the dequantized ones' names.
    """
    made_by: dict[str, Operation] = {}
    for operation in operations:
        step = None
        if operation.kind == "quantize" and operation.parameters.keys() <= {"scale", "zero"}:
            step = _step_of_sums(made_by, operation.inputs[0], scales, constants)
        made_by |= dict.fromkeys(operation.outputs, operation)
        if step is None:
            yield operation, None
            continue
        roles = {**operation.parameters, "step": f"{operation.outputs[0]}.step"}
        plain = {**operation.attributes, "axis": 1}
        yield replace(operation, parameters=roles, attributes=plain), step


def _step_of_sums(
    made_by: Mapping[str, Operation],
    value: str,
    scales: Mapping[str, Scale],
    constants: Mapping[str, Constant],
) -> Constant | None:
    """Return what 1 stands for in a value that a convolution or a product of codes makes; None for any other."""
    while (sums := made_by.get(value)) is not None and sums.kind in _STRAIGHT:
        value = sums.inputs[0]
    if sums is None or sums.kind not in ("convolution", "dense", "matmul") or len(sums.inputs) != 1:
        return None
    codes, weight = made_by.get(sums.inputs[0]), scales.get(sums.parameters.get("weight", ""))
    if codes is None or codes.kind != "dequantize" or weight is None:
        return None
    scale = constants.get(codes.parameters.get("scale", ""))
    each = weight.constant.size > 1
    if scale is None or scale.size != 1 or (each and (sums.kind != "convolution" or weight.axis != 0)):
        return None
    step = (scale.array.reshape(()) * weight.constant.array.reshape(-1)).astype(np.float32)
    if "bias" in sums.parameters:
        bias = scales.get(sums.parameters["bias"])
        if bias is None or not np.allclose(bias.constant.array.reshape(-1), step, rtol=1e-5):
            return None
    return constant_of(step if each else step.reshape(()))
