"""A command in a process of its own that says each of its steps, and may be killed after some."""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def in_another_process(script: str, *arguments: str, kill_after: int | None = None) -> int:
    """Run a script, killed (as by kill -9) in the step after so many; return how many steps it said on stderr."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command, count = [sys.executable, "-c", script, *arguments], 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        for line in process.stderr:
            count += line == "step\n"
            if kill_after is not None and count > kill_after:
                process.send_signal(signal.SIGKILL)
                break
    return count
