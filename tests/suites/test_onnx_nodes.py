"""ONNX's own conformance suite: no case is answered wrongly, none crashes, every refusal names its operator."""

from pathlib import Path

import onnx
import pytest

from .onnx_nodes import CRASH, PASS, REFUSED, WRONG, cases, run, run_all, variants

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def test_no_case_is_wrong_and_none_crashes() -> None:
    results = run_all()
    failed = [result for result in results if result.outcome in (WRONG, CRASH)]
    assert not failed, failed[:5]
    silent = [
        result
        for result in results
        if result.outcome == REFUSED and not any(name in result.reason for name in result.operators)
    ]
    assert not silent, silent[:5]
    assert sum(result.outcome == PASS for result in results) >= 2760


def test_an_attribute_that_no_reader_reads_is_refused_and_a_default_changes_nothing(tmp_path: Path) -> None:
    met: set[str] = set()
    for case in cases():
        name, model, inputs, outputs = next(variants(case))
        node, path = model.graph.node[-1], tmp_path / "case.onnx"
        if node.op_type in met or len(model.graph.node) > 1:
            continue
        if run(name, model, inputs, outputs, case, path).outcome != PASS:
            continue
        met.add(node.op_type)
        versions = {each.domain: each.version for each in model.opset_import}
        schema = onnx.defs.get_schema(node.op_type, versions[node.domain], node.domain)
        given = {attribute.name for attribute in node.attribute}
        defaults = [one.default_value for one in schema.attributes.values() if one.name not in given]
        node.attribute.extend(value for value in defaults if value.name)
        written_out = run(name, model, inputs, outputs, case, path)
        assert written_out.outcome == PASS, written_out
        node.attribute.append(onnx.helper.make_attribute("unheard_of", 3))
        stranger = run(name, model, inputs, outputs, case, path)
        assert stranger.outcome == REFUSED, stranger
        assert "unheard_of = 3" in stranger.reason, stranger
    assert len(met) > 120
