"""``convscope``, also as ``python -m convscope``: Ctrl-C is one line from the first moment on, and the end is at once.

The commands are imported inside, for that takes a while on a busy machine.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from contextlib import suppress
from types import FrameType

_INTERRUPTED = 130  # the commands' own is not there yet
_COMPLETES = "_CONVSCOPE_COMPLETE"  # click's: the Tab key asks


def main(name: str = "convscope") -> None:
    """Run the command line and end the process; exit status 130 where Ctrl-C comes before it is there."""
    if os.environ.get(_COMPLETES) and callable(signal.getsignal(signal.SIGINT)):
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # a line of ours would stand in the one that is being typed
    ending = _Ending()
    atexit.register(ending.leave)  # before anything else is: so it is the last that runs
    done = "nothing was begun"
    try:
        try:
            from convscope.cli import main as command_line

            done = "the command was at its end"
            command_line(prog_name=name)
        except SystemExit as end:
            ending.status = end.code if isinstance(end.code, int) else int(end.code is not None)
            if callable(signal.getsignal(signal.SIGINT)):  # a shell's background jobs ignore it
                signal.signal(signal.SIGINT, ending.hurry)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, ending.hurry)
        sys.stderr.write(f"interrupted: {done}\n")
        ending.status = _INTERRUPTED
    sys.exit(ending.status)


class _Ending:
    """Leaves the process when all is done, in place of Python.

    Python would take torch's thousands of objects apart one by one first, which takes a second or more. What others
    have to do at the end (threads, temporary folders) comes before.
    """

    status = 1  # what a traceback ends with

    def leave(self) -> None:
        """End with the status, unless stdout cannot be written to: Python has words and a status for that."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (AttributeError, OSError, ValueError, RuntimeError):  # a stream may be closed, none, or in use
            return
        os._exit(self.status)

    def hurry(self, _: int, __: FrameType | None) -> None:
        """Leave at once where Ctrl-C is pressed while others do at the end what they have to: all is written then."""
        if self.status == 0:
            self.status = _INTERRUPTED
            with suppress(AttributeError, OSError, ValueError):
                sys.stderr.write("interrupted: all was done\n")
        self.leave()


if __name__ == "__main__":
    main("python -m convscope")
