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
        raise node.refusal(_LIVE)
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


@reads("MatMulBnb4", inputs=3)
def read_table_product(node: Node) -> OperationPlan:
    """Turn onnxruntime's MatMulBnb4 into a product with what its codes stand for: entries of a table, by block."""
    block, kind = (int(node.attributes.get(name, 0)) for name in ("block_size", "quant_type"))
    rows, columns = (int(node.attributes.get(name, 0)) for name in ("N", "K"))
    node.require("quant_type", *range(len(_TABLES)))
    node.require("training_mode", 0)
    codes, scales = node.constant(1), node.constant(2)
    if codes is None or scales is None:
        raise node.refusal(_LIVE)
    count = rows * columns
    if min(rows, columns, block) < 1 or codes.size != -(-count // 2) or scales.size != -(-count // block):
        raise node.refusal(f"its weights are not {rows} x {columns} in blocks of {block}")

    def load() -> Array:
        stored = codes.array.reshape(-1)
        numbers = _TABLES[kind][np.stack([stored >> 4, stored & 15], 1).reshape(-1)[:count]]
        weights: Array = numbers * scales.array.reshape(-1).astype(np.float32).repeat(block)[:count]
        return weights.reshape(rows, columns)

    weight = node.derived("weight", (rows, columns), load)
    turned = {"transpose": True} if node.attributes.get("transB", 1) else {}
    return OperationPlan("matmul", node.inputs[:1], {"weight": weight}, turned)


_FOURS = np.array([0, 0.0625 / 12, 8 / 12, 1, 4 / 12, 6 / 12, 2 / 12, 3 / 12], np.float32)
_NORMALS = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941),
    *(0.7229568362236023, 1.0),
)
_TABLES = (np.concatenate([_FOURS, -_FOURS]), np.array(_NORMALS, np.float32))
"""What bitsandbytes' codes of four bits stand for: FP4, and NF4 (Dettmers et al., *QLoRA*, 2023)."""


@reads("GatherBlockQuantized", inputs=3)
def read_block_rows(node: Node) -> OperationPlan:
    """Turn onnxruntime's GatherBlockQuantized into a look-up among what its codes stand for."""
    codes, scales, zeros = node.constant(0), node.constant(2), node.constant(3)
    if codes is None or scales is None or (node.has(3) and zeros is None):
        raise node.refusal(_LIVE)
    packed = codes.type == UINT8
    bits = int(node.attributes.get("bits", 4)) if packed else 8
    if bits not in (2, 4, 8):
        raise node.refusal(f"its codes have {bits} bits")
    shape = (*codes.shape[:-1], codes.shape[-1] * 8 // bits)
    along, axis = (
        int(node.attributes.get(name, usual)) % len(shape)
        for name, usual in (("quantize_axis", 1), ("gather_axis", 0))
    )
    block = int(node.attributes.get("block_size", 128)) or shape[along]
    middle = 2 ** (bits - 1) if packed else 0

    def spread(numbers: Array) -> Array:
        for at, size in enumerate(shape):
            if numbers.shape[at] != size:
                numbers = numbers.repeat(block if at == along else size, at)
        parts: Array = numbers[tuple(slice(size) for size in shape)]
        return parts

    def numbers_of(stored: Constant) -> Array:
        numbers: Array = _unpacked(stored.array, bits) if packed else stored.array.astype(np.float32)
        return numbers.reshape(*stored.shape[:-1], -1)

    def load() -> Array:
        center = middle if zeros is None else spread(numbers_of(zeros)[..., : scales.shape[-1]])
        rows: Array = (numbers_of(codes) - center) * spread(scales.array.astype(np.float32))
        return rows

    table = node.derived("rows", shape, load)
    return OperationPlan("gather", (table, node.inputs[1]), attributes={"axis": axis})


_LIVE = "its weights or scales are worked out while the network runs: store them in the file"


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
