"""A classic by its name: where its files are on this machine, once they are."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from convscope.cache import cache_folder
from convscope.errors import NetworkFileError, did_you_mean
from convscope.files import sha256_of, written_whole
from convscope.formats.zoo.catalog import CATALOG, Classic
from convscope.formats.zoo.download import downloaded, require_published

ZOO = "zoo:"


@dataclass(frozen=True)
class LocalClassic:
    """A classic on this machine: the file to open, the weights beside it (or None), and its catalog entry."""

    path: Path
    weights: Path | None
    classic: Classic


def fetch(name: str) -> LocalClassic:
    """Return where ``zoo:NAME`` is on this machine; its files are downloaded when they are not there yet.

    >>> fetch("bvlc_googlenet").path.name
    'deploy.prototxt'

    Raises NetworkFileError for a name that is not in the catalog, and when a file cannot be had.
    """
    if name not in CATALOG:
        possible = ", ".join(f"{ZOO}{key} ({classic.megabytes:.0f} MB)" for key, classic in CATALOG.items())
        raise NetworkFileError(
            f"the zoo has no network {name!r}.{did_you_mean(name, CATALOG)} It has {possible}"
        )
    classic, folder = CATALOG[name], cache_folder("zoo", name)
    path = folder / classic.opened
    if classic.member is None or not _is_member(path, classic):
        for file in classic.files:
            archive = downloaded(file, folder)
            require_published(file, archive)
            if classic.member is not None:
                _take_out(archive, classic.member, path)
    return LocalClassic(path, folder / classic.weights if classic.weights else None, classic)


def _is_member(path: Path, classic: Classic) -> bool:
    """Whether what was taken out of the archive before is there, and as it was published."""
    return path.is_file() and sha256_of(path) == classic.member_sha256


def _take_out(archive: Path, member: str, path: Path) -> None:
    """Write one member of a checked archive; nothing else is unpacked."""
    with zipfile.ZipFile(archive) as files, written_whole(path) as partial:
        partial.write_bytes(files.read(member))
