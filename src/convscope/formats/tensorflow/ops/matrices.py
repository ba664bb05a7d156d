"""Matrices, the last two axes: their diagonals, inverses and determinants."""

from __future__ import annotations

from typing import Any

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.ops.operators import aten_plan
from convscope.formats.tensorflow.translation import Operands, refuse, translates, whole_numbers

_VERSIONS = ("", "V2", "V3")


@translates("Diag", "BatchMatrixDiag", *(f"MatrixDiag{version}" for version in _VERSIONS))
def _diagonal_matrix(operands: Operands) -> OperationPlan:
    """A matrix of one diagonal, and zeros elsewhere."""
    if operands.node.op == "Diag" and len(operands.shape(0)) != 1:
        raise refuse(operands.node, f"of {len(operands.shape(0))} axes")
    offset = _diagonal(operands, 1)
    size = int(operands.shape(0)[-1]) + abs(offset)
    for place in (2, 3):
        if len(operands) > place and int(whole_numbers(operands, place, "size")[0]) not in (-1, size):
            raise refuse(operands.node, "of another size than its diagonal's")
    if len(operands) > 4:
        filling = operands.known(4)
        if filling is None or filling.any():
            raise refuse(operands.node, "with other numbers than 0 beside the diagonal")
    return aten_plan(operands, "diag_embed", "$0", offset)


@translates("DiagPart", "BatchMatrixDiagPart", *(f"MatrixDiagPart{version}" for version in _VERSIONS))
def _diagonal_of_matrix(operands: Operands) -> OperationPlan:
    if operands.node.op == "DiagPart" and len(operands.shape(0)) != 2:
        raise refuse(operands.node, f"of {len(operands.shape(0))} axes")
    return aten_plan(operands, "diagonal", "$0", _diagonal(operands, 1), -2, -1)


@translates("BatchMatrixSetDiag", *(f"MatrixSetDiag{version}" for version in _VERSIONS))
def _other_diagonal(operands: Operands) -> OperationPlan:
    offset = _diagonal(operands, 2)
    return aten_plan(operands, "diagonal_scatter", "$0", "$1", offset, -2, -1, read=(0, 1))


def _diagonal(operands: Operands, place: int) -> int:
    """Return which diagonal is meant, 0 where a node has no such input."""
    if len(operands) <= place:
        return 0
    offsets = [int(offset) for offset in whole_numbers(operands, place, "diagonal")]
    if len(set(offsets)) != 1:
        raise refuse(operands.node, "of several diagonals at once")
    return offsets[0]


_ALONE = {
    "MatrixInverse": "linalg_inv",
    "BatchMatrixInverse": "linalg_inv",
    "MatrixDeterminant": "linalg_det",
    "BatchMatrixDeterminant": "linalg_det",
    "MatrixExponential": "linalg_matrix_exp",
    "Cholesky": "linalg_cholesky",
    "BatchCholesky": "linalg_cholesky",
}


@translates(*_ALONE)
def _alone(operands: Operands) -> OperationPlan:
    _refuse_adjoint(operands)
    return aten_plan(operands, _ALONE[operands.node.op], "$0")


@translates("LogMatrixDeterminant")
def _log_determinant(operands: Operands) -> OperationPlan:
    """Its sign, and the logarithm of its size."""
    return aten_plan(operands, "linalg_slogdet", "$0", outputs=2)


@translates("MatrixSolve", "BatchMatrixSolve")
def _solved(operands: Operands) -> OperationPlan:
    _refuse_adjoint(operands)
    return aten_plan(operands, "linalg_solve", "$0", "$1", read=(0, 1))


@translates("Cross")
def _cross(operands: Operands) -> OperationPlan:
    keywords: dict[str, Any] = {"dim": -1}
    return aten_plan(operands, "linalg_cross", "$0", "$1", read=(0, 1), **keywords)


def _refuse_adjoint(operands: Operands) -> None:
    if operands.node.flag("adjoint"):
        raise refuse(operands.node, "of the adjoint matrix")
