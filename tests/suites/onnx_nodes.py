"""ONNX's own node tests, run on convscope's reader: each case opens and agrees, or is refused in a sentence.

`python -m tests.suites.onnx_nodes` prints the counts by operator and every case that is wrong or crashes;
`--write` puts them into docs/formats.md. With a name it runs the cases that begin with it, and shows what they say.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

from convscope import open_network
from convscope.errors import ConvscopeError

# Where the suite reckons with sizes that are no whole numbers, and onnxruntime and convscope do not.
DISPUTED = {
    "test_resize_downsample_scales_linear_align_corners",
    "test_resize_downsample_scales_cubic_align_corners",
}
PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
BEGIN, END = "<!-- onnx operators -->", "<!-- end of onnx operators -->"
PASS, REFUSED, WRONG, CRASH = "pass", "refused", "wrong", "crash"


@dataclass(frozen=True)
class Result:
    """What became of one case: `operator` is the node's own, `reason` the sentence or the difference."""

    name: str
    operator: str
    outcome: str
    reason: str = ""
    operators: frozenset[str] = frozenset()


def cases(beginning: str = "") -> Iterator[Any]:
    """Give the suite's cases; they are made anew by the onnx package, in some ten seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases(None)
    return (case for case in found if case.name.startswith(beginning))


def variants(case: Any) -> Iterator[tuple[str, onnx.ModelProto, list[Any], list[Any]]]:
    """Give a case as it is, every input a live one, and as networks are: only the first is live, the rest stored."""
    for index, (inputs, outputs) in enumerate(case.data_sets):
        name = case.name if index == 0 else f"{case.name}.{index}"
        yield name, case.model, inputs, outputs
        arrays = [isinstance(value, np.ndarray) and value.dtype.kind in "fiub" for value in inputs]
        if len(inputs) > 1 and all(arrays):
            yield f"{name}.stored", _stored(case.model, inputs), inputs[:1], outputs


def _stored(model: onnx.ModelProto, inputs: list[Any]) -> onnx.ModelProto:
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for value, array in zip(model.graph.input[1:], inputs[1:], strict=True):
        tensor = numpy_helper.from_array(array, value.name)
        tensor.data_type = value.type.tensor_type.elem_type or tensor.data_type
        model.graph.initializer.append(tensor)
    del model.graph.input[1:]
    return model


def operator_of(model: onnx.ModelProto) -> str:
    """Return the operator a case is about: its last node's."""
    node = model.graph.node[-1]
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def run(
    name: str, model: onnx.ModelProto, inputs: list[Any], outputs: list[Any], case: Any, path: Path
) -> Result:
    """Open one case, feed it, and hold its outputs against the suite's."""
    operator = operator_of(model)
    mentioned = frozenset({*_operators(model.graph), "input", "tensor"})
    path.write_bytes(model.SerializeToString())
    try:
        network = open_network(path)
        feed = dict(zip((value.name for value in model.graph.input), inputs, strict=True))
        given = {key: torch.from_numpy(_array(feed[key])) for key in network.graph.inputs}
        names = [value.name for value in model.graph.output]
        if any(isinstance(value, list) for value in outputs):  # a sequence: its tensors are outputs
            outputs = [one for value in outputs for one in (value if isinstance(value, list) else [value])]
            names = list(network.graph.outputs)
        found = network.activations(given, *names)
    except ConvscopeError as error:
        return Result(name, operator, REFUSED, str(error).removeprefix(f"{path}: "), mentioned)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Result(
            name, operator, CRASH, f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
        )
    if case.name in DISPUTED:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        outputs = session.run(names, {key: feed[key] for key in (value.name for value in model.graph.input)})
    if len(names) != len(outputs):
        return Result(name, operator, WRONG, f"{len(names)} outputs, not {len(outputs)}")
    for key, wanted in zip(names, outputs, strict=True):
        if difference := _difference(found[key], wanted, case):
            return Result(name, operator, WRONG, f"{key}: {difference}")
    return Result(name, operator, PASS)


def _operators(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield each node's operator, in the bodies of loops and branches too."""
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _operators(attribute.g)


def _array(value: Any) -> np.ndarray[Any, Any]:
    """Return a value of the suite in single precision, which is what convscope computes in."""
    if isinstance(value, onnx.TensorProto):
        value = numpy_helper.to_array(value)
    return np.array(value, np.float32)


def _difference(found: torch.Tensor, wanted: Any, case: Any) -> str:
    kind = str(getattr(wanted, "dtype", ""))
    ours, wanted = found.detach().double().numpy(), _array(wanted)
    if ours.shape != wanted.shape:
        return f"shape {ours.shape}, not {wanted.shape}"
    wanted = wanted.astype(np.float64)
    rough = {"float16": 2e-3, "bfloat16": 1.6e-2}.get(kind, 0.0)  # they round to these, we do not
    with np.errstate(all="ignore"):  # what sums of large numbers are off by, beside small ones
        beside = 1e-7 * np.abs(wanted, where=np.isfinite(wanted), out=np.zeros_like(wanted)).max(initial=0.0)
    absolute = max(case.atol, rough / 8, beside)
    if np.allclose(ours, wanted, max(case.rtol, rough), absolute, equal_nan=True):
        return ""
    with np.errstate(all="ignore"):
        return f"differs by {np.nanmax(np.abs(ours - wanted)):.3g} of {np.nanmax(np.abs(wanted)):.3g}"


def run_all(beginning: str = "") -> list[Result]:
    """Run every case whose name begins so."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "case.onnx"
        return [run(*variant, case, path) for case in cases(beginning) for variant in variants(case)]


def table(results: list[Result]) -> str:
    """Return the counts by operator as Markdown."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        counts[result.operator][result.outcome] += 1
    lines = ["| operator | pass | refused | wrong | crash |", "|---|---|---|---|---|"]
    for operator in sorted(counts):
        row = counts[operator]
        lines.append(f"| {operator} | {row[PASS]} | {row[REFUSED]} | {row[WRONG]} | {row[CRASH]} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Print what the suite says."""
    beginning = next((word for word in arguments if not word.startswith("-")), "")
    results = run_all(beginning)
    for result in results:
        if beginning or result.outcome in (WRONG, CRASH):
            print(f"{result.outcome:8} {result.operator:20} {result.name}: {result.reason}")
    print(Counter(result.outcome for result in results))
    if "--write" in arguments:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        _, _, behind = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{behind}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
