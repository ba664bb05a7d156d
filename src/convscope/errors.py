"""The exceptions convscope raises, as a tree; each message is one line a person can act on.

A message says what is wrong, what was found, what is possible and what to do::

    ConvscopeError
    ├── NetworkFileError        a network's file cannot be read (names the file and the place in it)
    │   └── WeightsMismatch     the weights do not fit the network (names the layer and both shapes)
    ├── UnsupportedLayer        a layer of a type convscope does not know (says how to register one)
    ├── UnknownLayer            a name the network does not have (offers the closest ones)
    ├── InputError              an input that the network cannot take, or a network that a task does not fit
    ├── PictureError            a picture that cannot be read, or that would take too much memory
    ├── RecipeError             a picture without a recipe, or whose network or input has changed since
    └── MissingPackage          an optional package is needed (says the pip command)
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

_Thing = TypeVar("_Thing")
_LONGEST = 1200  # letters of a message


class ConvscopeError(Exception):
    """Anything that went wrong for a reason the user can act on, in one line.

    A stranger's file names its layers as it likes: line breaks, and what a terminal would obey, are not passed on, and
    of a very long message the middle is left out.
    """

    def __str__(self) -> str:
        return _in_one_line(super().__str__())


def _in_one_line(words: str) -> str:
    if "\n" in words:
        words = " ".join(words.split())
    if len(words) > _LONGEST:
        words = f"{words[: _LONGEST * 2 // 3]} ... {words[-_LONGEST // 3 :]}"
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in words)


class NetworkFileError(ConvscopeError):
    """A network's file cannot be read; the message names the file and the place."""


class WeightsMismatch(NetworkFileError):
    """The weights do not fit the network; the message names the layer and both shapes."""


class UnsupportedLayer(ConvscopeError):
    """A layer of a type convscope does not know; the message says how to register one."""


class UnknownLayer(ConvscopeError, LookupError):
    """A layer, channel or label that the network does not have; the message offers the closest."""


class InputError(ConvscopeError, ValueError):
    """An input the network cannot take, or a value out of its range."""


class PictureError(ConvscopeError):
    """A picture that cannot be read, or that would take more memory than it deserves."""


class RecipeError(ConvscopeError):
    """A picture without a recipe, or one whose network or input picture has changed since."""


class MissingPackage(ConvscopeError, ImportError):
    """An optional package is needed; the message gives the command that installs it."""


class ConvscopeWarning(UserWarning):
    """Something was left out or guessed; the message says what and how to decide it yourself."""


class PictureNote(ConvscopeWarning):
    """What had to be done to a person's picture before it could be shown to a network."""


class InputGuess(ConvscopeWarning):
    """Nothing says how pictures become a network's input, and what was guessed in its place."""


def warn(words: str, category: type[ConvscopeWarning] = ConvscopeWarning) -> None:
    """Warn of something at the line outside convscope that led to it: one's own, as a notebook and a script show it."""
    level = outside = 1
    frame = inspect.currentframe()
    while frame is not None:
        level += 1
        if frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
            outside = level
        frame = frame.f_back
    warnings.warn(_in_one_line(words), category, stacklevel=outside)


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return `` Did you mean 'conv1' or 'conv2'?`` (with its leading space), or nothing when none is close.

    >>> did_you_mean("mixed4z", ["mixed4a", "prob"])
    " Did you mean 'mixed4a'?"
    """
    candidates = list(candidates)
    by_lower = {candidate.lower(): candidate for candidate in reversed(candidates)}
    close = [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=3, cutoff=0.55)]
    if not close:
        close = [candidate for candidate in candidates if name and name.lower() in candidate.lower()][:3]
    return f" Did you mean {' or '.join(repr(match) for match in close)}?" if close else ""


def same_letters(name: str, candidates: Iterable[str]) -> str | None:
    """Return the first that differs in hyphens, underscores and capitals alone, as other tools write the same name.

    >>> same_letters("GradCAM++", ["grad-cam", "grad-cam-plus-plus"])
    'grad-cam-plus-plus'
    """
    return next((one for one in candidates if _letters(one) == _letters(name)), None)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower().replace("+", "plus")))


def by_name(table: Mapping[str, _Thing], name: str, what: str) -> _Thing:
    """Return what a table has under a name; InputError with the closest names for one that is not there.

    >>> by_name({"light": 1, "dark": 2}, "dark", "theme")
    2
    """
    if not isinstance(name, str) or name not in table:
        raise InputError(
            f"there is no {what} {name!r}.{did_you_mean(str(name), table)} Possible: {', '.join(table)}"
        )
    return table[name]


def require_known(what: str, names: Iterable[str], possible: Collection[str]) -> None:
    """InputError with the closest names for the first that is none of those a thing has.

    >>> require_known("a dream", ["rate"], ["rate", "octaves"])
    """
    for name in names:
        if name not in possible:
            raise InputError(
                f"{what} has no {name!r}.{did_you_mean(str(name), possible)} Possible: {', '.join(possible)}"
            )


def require_one_of(what: str, value: object, possible: Iterable[str]) -> None:
    """InputError with the closest words for a value that is none of a few.

    >>> require_one_of("edges", "reflect", ["zeros", "reflect", "replicate"])
    """
    possible = list(possible)
    if not (isinstance(value, str) and value in possible):
        close = did_you_mean(value, possible) if isinstance(value, str) else ""
        raise InputError(f"{what} cannot be {value!r}.{close} Possible: {', '.join(possible)}")
