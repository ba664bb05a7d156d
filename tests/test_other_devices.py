"""Every technique on another device than the processor: the same numbers, and nothing that mixes the two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
BENCHMARKS = TESTS.parent / "benchmarks"


def run(code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(TESTS), str(BENCHMARKS), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "TQDM_DISABLE": "1"}
    command = [sys.executable, "-c", f"import elsewhere; elsewhere.add_device(); {code}"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)


def test_what_mixes_devices_is_noticed() -> None:
    for mixed in ("x + torch.ones(3)", "x[:2] @ torch.ones(2)", "torch.ones(3)[x.long()]", "x.numpy()"):
        ran = run(f"import torch; x = torch.zeros(3, device='elsewhere'); print((x + 1).tolist()); {mixed}")
        assert ran.stdout == "[1.0, 1.0, 1.0]\n", ran.stderr
        assert "two devices" in ran.stderr or "Use Tensor.cpu()" in ran.stderr, mixed


@pytest.mark.slow
def test_every_technique_gives_the_same_numbers_on_another_device() -> None:
    ran = run("import device; raise SystemExit(bool(device.checks('elsewhere')))")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("\n| ") > 60  # methods, presets and the rest
