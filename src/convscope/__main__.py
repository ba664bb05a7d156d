"""``convscope``, also as ``python -m convscope``: Ctrl-C is one line from the first moment on, and the end is at once.

The commands are imported inside, for that takes a while on a busy machine.
"""

from __future__ import annotations

import atexit
import os
import sys


def main(name: str = "convscope") -> None:
    """Run the command line and end the process; exit status 130 where Ctrl-C comes before it is there."""
    ending = _Ending()
    atexit.register(ending.leave)  # before anything else is: so it is the last that runs
    try:
        from convscope.cli import main as command_line

        command_line(prog_name=name)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was begun\n")
        ending.status = 130
        sys.exit(130)
    except SystemExit as end:
        ending.status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


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
        except (AttributeError, OSError, ValueError):  # a stream may be closed, or none
            return
        os._exit(self.status)


if __name__ == "__main__":
    main("python -m convscope")
