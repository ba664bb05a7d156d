"""Run the examples of the documentation: every ``console`` and ``python`` block, in order, in the current folder.

    python docs/examples.py docs/filters.md

A line of a console block that begins with ``$ convscope`` is run; what follows is what it has to print. In a Python
block, what it prints has to be what its comments ``# → ...`` say. Three dots stand for anything. Blocks marked ``sh``
are for people (they install something) and are not run.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from convscope.cli import main as convscope
from convscope.samples import fetch_samples

_BLOCK = re.compile(r"^```(?:\{code-cell\} )?(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = "$ convscope "


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield each block's first line number, language and text."""
    for found in _BLOCK.finditer(text):
        yield text.count("\n", 0, found.start()) + 2, found[1], found[2]


def commands(block: str) -> Iterator[tuple[list[str], str]]:
    """Yield each command of a console block as its arguments, and what it has to print."""
    for part in re.split(r"^(?=\$ )", block.replace("\\\n", " "), flags=re.MULTILINE):
        line, _, expected = part.partition("\n")
        if line:
            if not line.startswith(_PROMPT):
                raise ValueError(f"a console block runs convscope and nothing else: {line}")
            yield shlex.split(line.removeprefix(_PROMPT)), expected


def agrees(expected: str, found: str) -> bool:
    """Tell whether the words are the same, where ``...`` stands for anything."""
    pattern = ".*".join(re.escape(" ".join(part.split())) for part in expected.split("..."))
    return re.fullmatch(pattern.replace(r"\ ", r"\s*"), " ".join(found.split()), re.DOTALL) is not None


def run_console(block: str, network: str = "") -> list[str]:
    """Run a console block, or only its commands on one network, and return what is wrong."""
    wrong = []
    for arguments, expected in commands(block):
        if network and arguments[1:2] != [network]:
            continue
        answer = CliRunner().invoke(convscope, arguments, prog_name="convscope")
        failed = "Error: " in expected
        if (answer.exit_code != 0) != failed or (expected.strip() and not agrees(expected, answer.output)):
            crashed = answer.exception is not None and not isinstance(answer.exception, SystemExit)
            trace = "".join(traceback.format_exception(answer.exception)) if crashed else ""
            wrong.append(f"{shlex.join(arguments)}: exit {answer.exit_code}\n{answer.output}{trace[-2000:]}")
    return wrong


def run_python(block: str, names: dict[str, Any]) -> list[str]:
    """Run a Python block and return what is wrong."""
    expected = "\n".join(line.split("# → ", 1)[1] for line in block.splitlines() if "# → " in line)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(block, "<example>", "exec"), names)
    except Exception:
        return [traceback.format_exc()]
    return [] if agrees(expected, printed.getvalue()) else [f"printed:\n{printed.getvalue()}"]


def run_document(path: Path, network: str = "") -> list[str]:
    """Run a document's examples in the current folder and return what is wrong, with the lines.

    With `network` only the commands on that one are run.
    """
    names: dict[str, Any] = {}
    wrong = []
    for line, language, block in blocks(path.read_text(encoding="utf-8")):
        if network and language == "python":
            continue
        found = run_console(block, network) if language == "console" else run_python(block, names)
        wrong += [f"{path.name}, line {line}: {what}" for what in found]
    return wrong


def prepare(folder: Path, data: Path) -> None:
    """Put what the examples name into a folder: the samples, from `data` where they are downloads, and photographs."""
    list(fetch_samples(folder, ["textures/"]))
    caffe = data / "caffe"
    (folder / "bvlc_googlenet").symlink_to(caffe / "bvlc_googlenet")
    (folder / "mini_xception.hdf5").symlink_to(data / "keras" / "fer2013_mini_XCEPTION.119-0.65.hdf5")
    (folder / "cat.jpg").symlink_to(data / "pictures" / "cat.jpg")
    (folder / "tubingen.jpg").symlink_to(data / "pictures" / "tubingen.jpg")
    (folder / "starry_night.jpg").symlink_to(data / "pictures" / "starry_night_google.jpg")
    (folder / "sky.jpg").symlink_to(data / "pictures" / "sky1024px.jpg")
    (folder / "lenet").mkdir()
    for name in ("lenet.prototxt", "lenet_iter_10000.caffemodel"):
        (folder / "lenet" / name).symlink_to(caffe / "old_formats" / name)
    (folder / "photos").mkdir()
    for path in sorted((data / "photographs").glob("*.jpg"))[:40]:
        (folder / "photos" / path.name).symlink_to(path)


if __name__ == "__main__":
    failures = [failure for name in sys.argv[1:] for failure in run_document(Path(name))]
    print("\n".join(failures))
    sys.exit(bool(failures))
