"""Weights that a library for quantizing packed: told by the names it gives what stands in their place."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from convscope.errors import NetworkFileError

QUANTIZED = "convscope opens the weights it was quantized from, or its ONNX export"
_LIBRARIES = {
    **dict.fromkeys(("qweight", "qzeros", "g_idx"), "GPTQ or AWQ"),
    **dict.fromkeys(("absmax", "quant_map", "nested_absmax", "SCB"), "bitsandbytes"),
    **dict.fromkeys(("weight_scale", "weight_scale_inv", "weight_packed"), "compressed-tensors or its like"),
}


def require_unpacked(names: Iterable[str], path: Path) -> None:
    """Raise NetworkFileError, with the library, where weights are packed: their numbers alone are not the network's.

    >>> require_unpacked(["model.layers.0.mlp.up_proj.qweight"], Path("model.safetensors"))
    Traceback (most recent call last):
    ...
    convscope.errors.NetworkFileError: model.safetensors holds a network quantized by GPTQ or AWQ ...
    """
    for name in names:
        if library := _LIBRARIES.get(name.rpartition(".")[2]):
            raise NetworkFileError(f"{path} holds a network quantized by {library} ({name!r}): {QUANTIZED}")
