"""What was said before the start against what fresh processes really take."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MEASURED = """
import json, sys
from pathlib import Path
import numpy as np
from convscope import open_network
from convscope.pictures.picture import Picture

def taken():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

kind, source, side, tile = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) or None
network, rng = open_network(source), np.random.default_rng(0)
picture = rng.random((side, side, 3), np.float32)
if kind == "dream":
    from convscope.dreaming.deep_dream import dream_of
    made = dream_of(network, picture, sys.argv[5], tile=tile, changes={"octaves": 1, "steps": 3})
    made, plan = made.within(None)
    steps = made.steps()
else:
    from convscope.styling.style_transfer import transfer_of
    changes = {"steps": 3, "coarsest": side}
    made, plan = transfer_of(network, picture, picture[::-1] ** 2, size=side, tile=tile, changes=changes).within(None)
    steps = made.restyling.steps()
for step in steps:
    pass
print(json.dumps([plan.needed, taken()]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what a process takes")
@pytest.mark.parametrize(
    "case",
    [
        ("dream", "builtin", "768", "0", "mixed3b"),
        ("dream", "caffe/bvlc_googlenet", "1024", "256", "inception_3b/output"),
        ("style", "caffe/squeezenet_v1.1", "640", "256"),
    ],
)
def test_a_process_takes_what_was_said(case: tuple[str, ...], shared_data: Path) -> None:
    kind, source, *rest = case
    where = source if source == "builtin" else str(shared_data / source)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, kind, where, *rest], capture_output=True, text=True, check=True
    )
    said, taken = json.loads(done.stdout.splitlines()[-1])
    assert said == pytest.approx(taken, rel=0.2)
