"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from convscope.errors import ConvscopeError, NetworkFileError, PictureError
from convscope.unfinished import unfinished_folder

COPIED_BYTES = 256 * 2**20
"""Weights of files up to here are copied as they are opened: what happens to the file then does not matter."""
_NO_SUCH_CALL = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class FileState:
    """A file as it was: other bytes under its name would be another network's, and a shorter file kills who maps it.

    When it was written, `changed`, can be set, and archives give all that is in them one date: when the system last
    touched it, and its number on the disk, cannot.
    """

    path: Path
    size: int
    changed: int
    touched: int
    number: int

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> FileState:
        """Return how a file is now."""
        status = Path(path).stat()
        touched = 0 if sys.platform == "win32" else status.st_ctime_ns  # there it is when the file was made
        return cls(Path(path), status.st_size, status.st_mtime_ns, touched, status.st_ino)

    @classmethod
    def found(cls, path: str | os.PathLike[str]) -> FileState | None:
        """Return how a file is now; None where there is none."""
        try:
            return cls.of(path)
        except OSError:
            return None

    def require_unchanged(self) -> None:
        """Raise NetworkFileError where the file is gone or another one now."""
        try:
            same = FileState.of(self.path) == self
        except OSError:
            raise NetworkFileError(
                f"{self.path} is no longer there: open the network again from where it is"
            ) from None
        if not same:
            raise NetworkFileError(f"{self.path} has changed since the network was opened: open it again")


def require_regular(path: str | os.PathLike[str]) -> None:
    """Raise NetworkFileError for what is no file to read: a device never ends, and a pipe waits for somebody."""
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        raise NetworkFileError(f"{os.fspath(path)} does not exist: give the path of a file.") from None
    except OSError as error:
        raise NetworkFileError(f"{os.fspath(path)} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise NetworkFileError(f"{os.fspath(path)!r} is no file's name: {error}") from error
    if not stat.S_ISREG(mode):
        raise NetworkFileError(f"{os.fspath(path)} is {_kind(mode)}, not a file: give the path of a file.")


def require_text_name(path: str | os.PathLike[str], library: str) -> None:
    """Raise NetworkFileError for a name with bytes that are no UTF-8, which a library cannot open."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise NetworkFileError(
            f"{path}: {library} opens no file whose name, or whose folder's, is not UTF-8: rename it"
        ) from None


def _kind(mode: int) -> str:
    return next((words for test, words in _KINDS if test(mode)), "something else")


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def user_path(name: str | os.PathLike[str]) -> Path:
    """Return a path as a person means it: ``~`` is their home, but a file may be called ``~tilde.jpg`` too.

    >>> user_path("~tilde.jpg").name
    '~tilde.jpg'
    """
    path = Path(name)
    try:
        return path if path.exists() else path.expanduser()
    except (OSError, ValueError, RuntimeError):  # longer than a name may be; nobody's home
        return path


def is_there(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file or a folder of that name; False for a name that none can have."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def is_numpy_file(name: str | os.PathLike[str]) -> bool:
    """Tell whether a name is that of a NumPy file of one array, which lies there."""
    return os.fsdecode(name).lower().endswith(".npy") and user_path(name).is_file()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def broken_link(path: Path) -> str | None:
    """Return, for a link that ends at no file, what is wrong with it; None for anything else."""
    try:
        return f"is a link to {str(path.readlink())!r}, which leads to no file"
    except (OSError, ValueError):  # no link, or no name that a file can have
        return None


def matched(pattern: str) -> list[Path] | None:
    """Return what a pattern (``photos/*.jpg``, ``**/*.png``) stands for, in order; None for what is no pattern."""
    path = user_path(pattern)
    if path.exists() or not any(sign in pattern for sign in "*?["):
        return None
    paths = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
    return list(map(Path, paths))


def destination(path: str | os.PathLike[str]) -> Path:
    """Return where something saved as `path` goes: a link stays, and what it leads to is replaced.

    OSError for a device or a pipe: a file that took its place would be the end of it.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, f"it is {_kind(path.stat().st_mode)}, not a file", os.fspath(path))
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def require_writable(path: str | os.PathLike[str]) -> None:
    """Raise OSError where no file can be made beside `path`, or in the nearest folder above it that is there.

    A file without a name is made and forgotten: what permissions say is not all that a file system may refuse.
    """
    folder = next(one for one in Path(path).absolute().parents if one.is_dir())
    TemporaryFile(dir=folder).close()


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a file beside `path` to write to: it takes its place when the block ends well, and vanishes when not.

    >>> with written_whole("page.html") as partial:
    ...     partial.write_text("<!doctype html>")
    """
    path = destination(path)
    with _partial_of(path) as partial:
        ordinary = stat.S_IMODE(partial.stat().st_mode)
        yield partial
        if stat.S_IMODE(partial.stat().st_mode) != ordinary:  # a library put a private file there
            partial.chmod(ordinary)
        to_disk(partial)
        partial.replace(path)


@contextmanager
def _partial_of(path: Path) -> Iterator[Path]:
    """Give an empty file near `path`, on its disk, which is gone in the end, unless it was renamed."""
    with unfinished_folder(path) as folder:
        partial = folder / "partial"
        # With an ordinary file's permissions: tempfile's are private, and to ask for the umask is to change it for all.
        partial.touch(exist_ok=False)
        yield partial


def written_first(text: str, path: Path) -> bool:
    """Write a text file where there is none, whole or not at all; False where there is one, of another process say.

    Of several processes that begin together in a folder, one is first.
    """
    if path.exists():
        return False
    with _partial_of(path) as partial:
        partial.write_text(with_escapes(text), encoding="utf-8")
        to_disk(partial)
        try:
            path.hardlink_to(partial)
        except FileExistsError:
            return False
        except OSError:  # a file system that knows no second name for a file
            partial.replace(path)
    return True


@contextmanager
def writing(
    path: str | os.PathLike[str],
    *failures: type[Exception],
    then: str = "",
    raises: type[ConvscopeError] = PictureError,
) -> Iterator[None]:
    """Say in one line that `path` cannot be written, and why: for what the disk refuses, and for `failures`.

    `then` is what is kept nevertheless, or what to do.
    """
    kinds: tuple[type[Exception], ...] = (OSError, *failures)
    try:
        yield
    except ConvscopeError:  # which is a sentence already
        raise
    except kinds as error:
        raise raises(
            f"cannot write {os.fspath(path)}: {reason(error)}" + (f". {then}" if then else "")
        ) from error


def reason(error: Exception) -> str:
    """Return in a few words why something cannot be written.

    >>> reason(FileExistsError(17, "File exists", "notes.txt"))
    'notes.txt is there, and is no folder'
    """
    if isinstance(error, FileExistsError) and error.filename:  # of a folder that was to be made
        return f"{error.filename} is there, and is no folder"
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


@contextmanager
def saved(
    path: str | os.PathLike[str],
    *failures: type[Exception],
    then: str = "",
    raises: type[ConvscopeError] = PictureError,
) -> Iterator[Path]:
    """Give what `written_whole` gives, where what goes wrong is said as in `writing`."""
    with writing(path, *failures, then=then, raises=raises), written_whole(path) as partial:
        yield partial


def write_text(text: str, path: str | os.PathLike[str]) -> None:
    """Write a text file, whole or not at all; PictureError where that is impossible."""
    with saved(path) as partial:
        partial.write_text(with_escapes(text), encoding="utf-8", newline="\n")


def parsed_json(text: str | bytes | bytearray) -> Any:
    """Return what a stranger's JSON says; ValueError, in words for a person, where it is none, or cannot be read.

    >>> parsed_json("[" * 10**5)
    Traceback (most recent call last):
    ValueError: what is in it lies too deep in itself
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("what is in it lies too deep in itself") from None
    except (json.JSONDecodeError, UnicodeError):
        raise
    except ValueError:  # Python's limit for such numbers, which take for ever
        raise ValueError("a whole number in it has thousands of digits") from None


def with_escapes(text: str) -> str:
    """Return text that UTF-8 can hold: a byte of a file's name that is none becomes JSON's escape for it."""
    return text.encode("utf-8", "backslashreplace").decode()


def to_disk(path: Path) -> None:
    """Wait until a file's bytes are on the disk: else its name may get there first, and a power cut leaves it empty.

    Some file systems (of servers, of archives) do not know how; what the disk itself cannot do is an error.
    """
    with path.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_SUCH_CALL:
                raise
