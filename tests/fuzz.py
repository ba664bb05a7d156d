"""Damages files of every kind and uses them: ``make fuzz SECONDS=60``. Each must open, or end in one line of ours.

What ends otherwise, or takes over 500 MB or 20 seconds of work, is kept in ``fuzz-found/`` with the file's name, the
seed and the number of the damage: those three make it again. A process does some hundreds; where one dies or does not
come back, the file that it was at is what did it.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from bombs import MEGABYTES, SECONDS, status
from convscope.errors import ConvscopeError
from fuzz_damage import damage
from fuzz_targets import Target, all_targets

FOUND = Path("fuzz-found")
LONGEST_LINE = 1500
IN_A_PROCESS = 300
LONGEST_WAIT = 100.0  # seconds after which a process is given up


def outcome(target: Target, folder: Path) -> str:
    """Use a target's folder; return what became of it: "opened", "refused", or what must not be and where."""
    try:
        target.use(folder)
        return "opened"
    except ConvscopeError as error:
        line = str(error)
        return "refused" if "\n" not in line and len(line) < LONGEST_LINE else "a long line"
    except Exception as error:
        where = [one for one in traceback.extract_tb(error.__traceback__) if "/convscope/" in one.filename]
        place = f"{Path(where[-1].filename).stem}-{where[-1].lineno}" if where else "nowhere"
        return f"{type(error).__name__}-{place}"


def broken_folder(target: Target, seed: int, number: int, place: Path) -> Path:
    """Write a folder like a target's with the file in it damaged as this number says; return it."""
    folder = place / f"{number}"
    shutil.copytree(target.folder, folder, copy_function=os.link)
    data = (target.folder / target.damaged).read_bytes()
    others = sorted(one for one in target.folder.rglob("*") if one.is_file())
    random = np.random.default_rng([seed, number, len(target.name)])
    other = others[random.integers(len(others))].read_bytes()
    (folder / target.damaged).unlink()
    (folder / target.damaged).write_bytes(damage(target.damaged, data, random, other))
    return folder


def taken(target: Target, seed: int, number: int, place: Path) -> dict[str, Any]:
    """Return what became of one damaged file, and the megabytes and seconds that it took."""
    folder = broken_folder(target, seed, number, place)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is of this file
    before, began = status("VmRSS"), time.process_time()
    said = outcome(target, folder)
    seconds = time.process_time() - began
    megabytes = status("VmHWM") - before
    shutil.rmtree(folder)
    if said in ("opened", "refused"):
        said = "slow" if seconds > SECONDS else "large" if megabytes > MEGABYTES else said
    return {"number": number, "said": said, "megabytes": megabytes, "seconds": round(seconds, 1)}


def many(target: Target, seed: int, numbers: range, place: Path) -> Iterator[dict[str, Any]]:
    """Yield what became of each; a process that dies or hangs is followed by another, from the next file on."""
    first = numbers.start
    while first < numbers.stop:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_AS, ((status("VmSize") + 6000) * 2**20,) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            for number in range(first, min(first + IN_A_PROCESS, numbers.stop)):
                os.write(write, json.dumps(taken(target, seed, number, place)).encode() + b"\n")
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            end = min(first + IN_A_PROCESS, numbers.stop)
            while first < end:
                came = select.select([pipe], [], [], LONGEST_WAIT)[0]
                line = pipe.readline() if came else ""
                if line:
                    yield json.loads(line)
                else:
                    if not came:
                        os.kill(child, signal.SIGKILL)
                    shutil.rmtree(place / str(first), ignore_errors=True)
                    yield {"number": first, "said": "died" if came else "hangs", "megabytes": 0, "seconds": 0}
                first += 1
                if not line:
                    break
        os.waitpid(child, 0)


def keep(target: Target, seed: int, number: int, said: str, place: Path) -> None:
    folder = broken_folder(target, seed, number, place)
    FOUND.mkdir(exist_ok=True)
    name = f"{target.name.replace('/', '-')}-{said}-{seed}-{number}"
    shutil.copy(folder / target.damaged, FOUND / f"{name}{Path(target.damaged).suffix}")
    shutil.rmtree(folder)


def main(seconds: float, seed: int, names: list[str]) -> int:
    """Share the seconds among the files; return how many ended as none may."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    wrong = 0
    with TemporaryDirectory() as temporary:
        os.environ["CONVSCOPE_CACHE"] = str(Path(temporary) / "cache")
        (place := Path(temporary) / "damaged").mkdir()
        targets = [
            one
            for one in all_targets(Path(temporary))
            if not names or any(part in one.name for part in names)
        ]
        for target in targets:
            counts, until = Counter[str](), time.monotonic() + seconds / len(targets)
            for one in many(target, seed, range(10**6), place):
                counts[one["said"]] += 1
                if one["said"] not in ("opened", "refused"):
                    wrong += 1
                    keep(target, seed, one["number"], one["said"], place)
                if time.monotonic() > until:
                    break
            print(
                f"{target.name:48}", ", ".join(f"{n} {what}" for what, n in counts.most_common()), flush=True
            )
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
