"""Products with weights of a few bits, in blocks that have a scale each: what quantizers of large networks write."""

from __future__ import annotations

import numpy as np

from convscope.formats.onnx.constants import Array, Constant
from convscope.formats.onnx.element_types import UINT8
from convscope.formats.onnx.node import Node
from convscope.formats.onnx.operators.registry import reads
from convscope.formats.operation_plan import OperationPlan


@reads("MatMulNBits", inputs=3)
def read_block_product(node: Node) -> list[OperationPlan]:
    """Turn onnxruntime's MatMulNBits into a product with what its codes stand for."""
    node.require("weight_prepacked", 0)
    bits, block = (int(node.attributes.get(name, least)) for name, least in (("bits", 4), ("block_size", 32)))
    rows, columns = (int(node.attributes.get(name, 0)) for name in ("N", "K"))
    codes, scales, zeros = node.constant(1), node.constant(2), node.constant(3)
    if codes is None or scales is None or (node.has(3) and zeros is None):
        raise node.refusal(
            "its weights or scales are worked out while the network runs: store them in the file"
        )
    if bits not in (2, 4, 8) or node.has(4):
        raise node.refusal("its weights have 2, 4 or 8 bits, in their own order (no g_idx), or are not read")
    blocks = -(-columns // max(1, block))
    if min(rows, columns, block) < 1 or codes.size * 8 != rows * blocks * block * bits:
        raise node.refusal(f"its weights are not {rows} rows of {blocks} blocks of {block} in {bits} bits")

    def load() -> Array:
        numbers = _unpacked(codes.array, bits).reshape(rows, blocks, block)
        numbers = (numbers - _zeros(zeros, rows, blocks, bits)) * scales.array.reshape(rows, blocks, 1)
        weights: Array = numbers.astype(np.float32).reshape(rows, -1)[:, :columns].T
        return weights

    weight = node.derived("weight", (columns, rows), load)
    product = OperationPlan("matmul", node.inputs[:1], {"weight": weight})
    if not node.has(5):
        return [product]
    return [product, OperationPlan("add", ("", node.inputs[5]))]


def _zeros(zeros: Constant | None, rows: int, blocks: int, bits: int) -> Array:
    if zeros is None:
        return np.full((1, 1, 1), 2 ** (bits - 1), np.float32)
    stored = zeros.array
    if zeros.type == UINT8:
        stored = _unpacked(stored.reshape(rows, -1), bits).reshape(rows, -1)[:, :blocks]
    in_rows: Array = stored.astype(np.float32).reshape(rows, blocks, 1)
    return in_rows


def _unpacked(stored: Array, bits: int) -> Array:
    """Return the codes in bytes, the lowest bits first, along one more axis."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    codes: Array = ((stored[..., None] >> shifts) & (2**bits - 1)).astype(np.float32)
    return codes
