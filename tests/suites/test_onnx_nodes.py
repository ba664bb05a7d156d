"""ONNX's own conformance suite: no case is answered wrongly, none crashes, every refusal names its operator."""

import pytest

from .onnx_nodes import CRASH, PASS, REFUSED, WRONG, run_all

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
    assert sum(result.outcome == PASS for result in results) >= 2300
