"""No file of less than 5 MB takes more than 500 MB or 20 seconds, whatever it claims: ``bombs.py``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BOMBS = Path(__file__).parents[1] / "bombs.py"  # and `bombs_of_work`
# Those that are written in a moment; ``python tests/bombs.py FOLDER`` has others, which take minutes to write.
NAMES = """
deep.keras digits.json repeat.h5 fill-value.h5 expanded.pth sets.pth classes.pth builtin-list-of-bytes.pth
encoded.pkl unread.pkl
old-storage.pth shared.pt deep.pt2 header.safetensors filled.onnx tiled.onnx outer.onnx huge-batch.onnx
filled.pb doubled.pb constant.pb constant-less.pb repeated.pb many-outputs.prototxt reshape.prototxt
tile.prototxt embed.prototxt bits.png frames.gif large.gif bands.tif bytearray.pth attributes.pb
functions.onnx loops.onnx recurrent.onnx sorted.onnx convolved.onnx one-hot.pb models-in-models.keras
filled.convscope counted.convscope one-hot.convscope chunk.h5 flat.webp flat.jp2 scans.jpg
spread.ptl as-often.ptl products.ptl lines.ptl words.ptl
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_no_small_file_takes_much(tmp_path: Path) -> None:
    command = [sys.executable, str(BOMBS), str(tmp_path), *NAMES.split()]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [one["name"] for one in found] == NAMES.split()
    assert ended.stderr == ""  # each has less than 5 MB
    for one in found:
        assert one["megabytes"] < 500, one
        assert one["seconds"] < 20, one
        assert "BARE" not in one["said"] and "died" not in one["said"], one
