"""Write the tables of layers and operators in docs/formats.md anew, and of the page's keys, out of those that hold.

    python docs/make_tables.py

A test says when a page is behind. ONNX's table, with its counts, is `python -m tests.suites.onnx_nodes --write`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import convscope
from convscope.formats.keras.layers.registry import FUNCTIONS, LAYERS
from convscope.formats.registration import CUSTOM_LAYERS
from convscope.formats.tensorflow import coded, functions, ops, translation

PAGES = [Path(__file__).parent / name for name in ("formats.md", "explore.md")]
KEYBOARD = Path(convscope.__file__).parent / "web" / "static" / "keyboard.js"
KERAS_CHECKS = {
    "activations": "torch's, to 1e-5; Keras 3.15 and tf-keras 2.21",
    "arithmetic": "NumPy's of the same name; most in networks that Keras 3.15 saved",
    "arrangement": "NumPy's of the same name; most in networks that Keras 3.15 saved",
    "attention": "torch's einsum, step by step; Keras 3.15",
    "bidirectional": "torch's recurrent modules; Keras 3.15 and tf-keras 2.21",
    "convolutional": "torch's convolutions; Keras 3.15 and tf-keras 2.21; whole networks of keras.applications",
    "convolutional_lstm": "an LSTM of torch's convolutions, step by step; Keras 3.15",
    "functions": "NumPy's of the same name; most in networks that Keras 3.15 saved",
    "indexing": "NumPy's of the same name; most in networks that Keras 3.15 saved",
    "merging": "NumPy; Keras 3.15 and tf-keras 2.21",
    "normalization": "torch's; Keras 3.15 and tf-keras 2.21",
    "pictures": "the layer of that name, NumPy and Keras 3.15",
    "pooling": "torch's pools; Keras 3.15 and tf-keras 2.21",
    "reduction": "NumPy's of the same name; most in networks that Keras 3.15 saved",
    "recurrent": "torch's recurrent modules; Keras 3.15 and tf-keras 2.21",
    "resizing": "TensorFlow's own resizing, and Keras 3.15 and tf-keras 2.21 on it; PyTorch's where a model runs on it "
    "or its `.h5` file says so (a `.keras` does not: a line says so)",
    "shape": "torch and NumPy; Keras 3.15 and tf-keras 2.21",
    "volumes": "torch's; Keras 3.15",
    "words": "refused with a sentence: they read words, not pictures",
    "wrappers": "the layer inside; Keras 3.15",
}
TENSORFLOW_CHECKS = {
    "arithmetic": "TensorFlow where it is installed, and OpenCV",
    "arrangement": "TensorFlow where it is installed, and OpenCV",
    "casts": "NumPy's of the same name, and ml_dtypes; what Keras 3.15 exported of int8, int4 and float8",
    "codes": "numbers of TensorFlow 2.21's, on a processor; its description of `QuantizedReluX`, which has no kernel",
    "colors": "Python's colorsys, and TensorFlow 2.21",
    "convolution": "TensorFlow where it is installed, and OpenCV; the Inception network",
    "matrices": "NumPy's linalg, and TensorFlow 2.21",
    "normalization": "TensorFlow where it is installed, and OpenCV",
    "operators": "NumPy's of the same name; graphs that TensorFlow 2.21 wrote",
    "pixels": "TensorFlow where it is installed, and OpenCV",
    "quantization": "numbers of TensorFlow 2.21's, on a processor",
    "recurrent": "an LSTM written out in NumPy; graphs that TensorFlow 2.21 wrote",
    "segments": "NumPy's of the same name; graphs that TensorFlow 2.21 wrote",
    "sounds": "numbers of TensorFlow 2.21's; the 21 networks of ARM's ML-KWS-for-MCU beside it",
    "volumes": "sums over the windows; graphs that TensorFlow 2.21 wrote",
    "waves": "NumPy's fft, and TensorFlow 2.21",
}


def rows(entries: Mapping[str, Any], checks: Mapping[str, str]) -> Iterable[str]:
    """Yield a line for each file of layers: their names, and what its answers were held against."""
    families: dict[str, list[str]] = defaultdict(list)
    for name, entry in entries.items():
        function = getattr(entry, "translate", entry)
        if name not in CUSTOM_LAYERS:  # what somebody taught is theirs
            families[_family(function)].append(name)
    for family in sorted(families):
        names = ", ".join(f"`{name}`" for name in sorted(families[family], key=str.lower))
        yield f"| {names} | {checks[family]} |"


def _family(function: Any) -> str:
    return str(function.__module__).rpartition(".")[2]


def tables() -> dict[str, str]:
    """Return the tables by the name of their place in the page."""
    assert isinstance(ops, ModuleType)  # importing it fills the table
    head = "| {} | checked against |\n|---|---|\n"
    calls = {name: found for name, found in FUNCTIONS.items() if name.islower()}
    tensorflow = {
        name: found
        for name, found in translation.TRANSLATORS.items()
        if name not in (*coded.PARTS, functions.CHOSEN)
    }
    return {
        "keys": "| key | what it does |\n|---|---|\n" + "\n".join(keys()),
        "keras layers": head.format("layers") + "\n".join(rows(LAYERS, KERAS_CHECKS)),
        "keras functions": head.format("functions") + "\n".join(rows(calls, KERAS_CHECKS)),
        "tensorflow ops": head.format("ops") + "\n".join(rows(tensorflow, TENSORFLOW_CHECKS)),
    }


def keys() -> Iterable[str]:
    """Yield a line for each key of the page, out of the one table that listens to them."""
    entry = re.compile(r"^  \[(\[.*?\]), (\".*?\"), ", re.MULTILINE)
    table = KEYBOARD.read_text(encoding="utf-8").partition("export const KEYS")[2]
    found = entry.findall(table)
    assert len(found) == table.count("\n  [[")
    for names, words in found:
        pressed = (("space" if name == " " else name) for name in json.loads(names))
        yield f"| {', '.join(f'`{name}`' for name in pressed)} | {json.loads(words)} |"


def filled(page: str) -> str:
    """Return a page with its tables made anew."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if begin not in page:
            continue
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
