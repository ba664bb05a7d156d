"""``convscope``, also as ``python -m convscope``: Ctrl-C is one line from the first moment on.

The commands are imported inside, for that takes a while on a busy machine.
"""

from __future__ import annotations

import sys


def main(name: str = "convscope") -> None:
    """Run the command line; exit status 130 where Ctrl-C comes before it is there."""
    try:
        from convscope.cli import main as command_line

        command_line(prog_name=name)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was begun\n")
        sys.exit(130)


if __name__ == "__main__":
    main("python -m convscope")
