"""The second run of the same work asks the system for no more memory."""

import os
import platform
import subprocess
import sys

import pytest

CODE = """
import resource, torch
from convscope.network.engine.allocation import keep_freed_memory
print(keep_freed_memory())
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.ones(2**20) for _ in range(24)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for _ in range(3):
    faults()
print(faults())
"""


def run(**environment: str) -> list[str]:
    given = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")} | environment
    result = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=given
    )
    return result.stdout.split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_used_again() -> None:
    arranged, faults = run()
    assert arranged == "True"
    assert int(faults) < 24 * 1024 / 4  # the 96 MB are 24,576 pages


def test_who_set_the_allocator_up_keeps_their_settings() -> None:
    assert run(MALLOC_TRIM_THRESHOLD_="100000")[0] == "False"
