"""Zips of strangers: what is looked at before anything of them is unpacked."""

from __future__ import annotations

import zipfile
from itertools import pairwise

_LOCAL_HEADER = 30  # bytes before a member, at least


def require_apart(archive: zipfile.ZipFile) -> None:
    """Raise BadZipFile where members lie in one another: a small file would hold as much as it likes of them.

    Newer versions of Python's zipfile say so of each such member alone, when it is read.
    """
    in_order = sorted(archive.infolist(), key=lambda one: one.header_offset)
    for before, after in pairwise(in_order):
        if before.header_offset + _LOCAL_HEADER + before.compress_size > after.header_offset:
            raise zipfile.BadZipFile(
                f"{before.filename} and {after.filename} overlap in it, which those of no ordinary archive do"
            )
