"""What a public function says of an argument of the wrong kind, in place of an exception from deep inside.

Nothing but how often something is done is checked before: whatever works, works. Where Python, torch or numpy give up,
the arguments are held against what the function says of them, and the one that does not fit is named.
"""

from __future__ import annotations

import errno
import functools
import inspect
import math
import os
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, Union

from convscope.address import Address
from convscope.errors import ConvscopeError, InputError, did_you_mean
from convscope.ordinary_torch import ordinary_torch
from convscope.times import require_an_end

_Function = TypeVar("_Function", bound=Callable[..., Any])
_BARE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError)
_WORDS: Mapping[Any, str] = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}
_LONGEST = 60
_NO_NAME = (errno.ENAMETOOLONG, errno.ENOENT, errno.EINVAL)
_LONGEST_NAME = 255  # bytes between two slashes


class ArgumentError(InputError):
    """An argument of a public function is of the wrong kind."""


def _is_network(value: object) -> bool:
    return hasattr(value, "graph")


def _is_address(value: object) -> bool:
    """Whether this may be an address, several, or (None) none: where the annotation leaves it open."""
    several = value if isinstance(value, list | tuple) else [value]
    return value is None or all(isinstance(one, str | Address) for one in several)


def _is_target(value: object) -> bool:
    """Whether this may be what is explained: an address, a class's number, or several with their weights."""
    return _is_address(value) or fits(value, int) or isinstance(value, Mapping) or hasattr(value, "terms")


def _is_one_number(value: object) -> bool:
    """Whether this is an array without axes, which says that it can be gone through, and cannot."""
    return getattr(value, "shape", None) == ()


def _is_several(value: object) -> bool:
    return isinstance(value, Iterable | os.PathLike) and not _is_one_number(value)


def _is_channels(value: object) -> bool:
    whole = isinstance(value, Sequence) and all(fits(item, int) for item in value)
    return value is None or isinstance(value, str) or whole or fits(value, int)


_ADDRESSES = ("address", "addresses", "layer", "layers", "targets")
_BY_NAME: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "network": ("a Network: convscope.open_network gives one", _is_network),
    **dict.fromkeys(
        ("pictures", "photographs"),
        ("a folder, or several pictures", _is_several),
    ),
    "channels": ("the numbers of channels", _is_channels),
    "changes": ("a mapping", lambda value: value is None or isinstance(value, Mapping)),
    "target": ("a class or an address such as conv1:42", _is_target),
    **dict.fromkeys(_ADDRESSES, ("an address such as conv1:42", _is_address)),
}
"""What arguments of these names are, where their annotation leaves it open."""
_SAID_BY_NAME = ("network", "address")  # which an annotation calls a Network, and a text, and no more


def arguments_in_words(function: _Function) -> _Function:
    """Mark a function: of an argument that it cannot take it says so in an InputError of one line.

    It computes as ever, whatever the caller has set in torch.

    >>> convscope.filters(network, "conv1", tile_size="many")
    Traceback (most recent call last):
    convscope.argument_errors.ArgumentError: filters: tile_size is 'many', not a whole number or None
    """

    @functools.wraps(function)
    def explained(*positional: Any, **keywords: Any) -> Any:
        positional = tuple(map(_plain, positional))
        keywords = {name: _plain(value) for name, value in keywords.items()}
        for name, value in (*zip(_names(function), positional, strict=False), *keywords.items()):
            require_an_end(name, value, function.__name__)
        with explaining(function, positional, keywords), ordinary_torch():
            return function(*positional, **keywords)

    return explained  # type: ignore[return-value]


@functools.cache
def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def _plain(value: Any) -> Any:
    """Return a number of another library's as Python has it: in NumPy's, 200 + 100 may be 44."""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if _is_one_number(value) and type(value).__module__ == "torch" and str(value.dtype) == "torch.int64":
        return value if value.is_meta else int(value)  # what argmax() gives
    return (
        bool(value)
        if type(value).__module__ == "numpy" and type(value).__name__.startswith("bool")
        else value
    )


@contextmanager
def explaining(
    function: Callable[..., Any], positional: tuple[Any, ...], keywords: Mapping[str, Any]
) -> typing.Iterator[None]:
    """Turn what is raised in this block because of an argument of the wrong kind into an InputError."""
    try:
        yield
    except ConvscopeError:
        raise
    except (*_BARE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_NAME:  # the disk's, not an argument's
            raise
        if wrong := _misfit(function, positional, keywords, error):
            raise ArgumentError(f"{function.__name__}: {wrong}") from error
        raise


def _misfit(
    function: Callable[..., Any], positional: tuple[Any, ...], keywords: Mapping[str, Any], error: Exception
) -> str | None:
    """Return in words which argument is of the wrong kind, None where all may be right."""
    signature = inspect.signature(function)
    unusable = _no_name if isinstance(error, OSError) else _unusable
    try:
        arguments = signature.bind(*positional, **keywords).arguments
    except TypeError as error:
        return _misnamed(signature, keywords) or str(error)
    plain = inspect.unwrap(function)
    names = {**getattr(plain, "annotation_names", {}), **plain.__globals__}
    for name, value in arguments.items():
        parameter = signature.parameters[name]
        expected = _evaluated(parameter.annotation, names)
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        for one in value if parameter.kind is parameter.VAR_POSITIONAL else (value,):
            expectation, is_that = _BY_NAME.get(name, ("", callable))
            if not fits(one, expected):
                kind = expectation if name in _SAID_BY_NAME else _in_words(expected)
                return f"{name} is {in_short(one)}, not {kind}"
            if expectation and not is_that(one):
                return f"{name} is {in_short(one)}, not {expectation}"
            if words := unusable(name, one):
                return f"{name} is {words}"
    return None


def _unusable(name: str, value: Any) -> str | None:
    """Return in words what keeps a value of the right kind from being of use, None where nothing does."""
    if fits(value, float) and value < 0 and name != "seed":
        return f"{value}, which is below zero"
    if name == "seed" and fits(value, int) and not -(2**63) <= value < 2**64:
        return f"{in_short(value)}, and a seed has 64 bits: from {-(2**63)} to {2**64 - 1}"
    if isinstance(value, str) and "\0" in value:
        return f"{in_short(value)}, which nothing is called: it has a null character"
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "is_meta"):
        if value.is_meta:
            return f"{in_short(value)} on the meta device, which holds no numbers: give one of a processor"
        if str(value.layout) != "torch.strided" or value.is_quantized:
            return f"a sparse or quantized {in_short(value)}: give it dense, value.to_dense() or value.dequantize()"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and 0 in shape:
        return f"{in_short(value)}, which holds no numbers"
    return None


def _no_name(_: str, value: Any) -> str | None:
    """Return in words why there can be no file of a name, None for one that there may be, or for no name."""
    if not isinstance(value, (str, os.PathLike)):
        return None
    text = os.fsdecode(value)
    longest = max(len(part.encode("utf-8", "replace")) for part in text.split("/"))
    if longest > _LONGEST_NAME:
        return f"{in_short(text)}, and a name of {longest:,} bytes is longer than a file's may be ({_LONGEST_NAME})"
    return None


def _misnamed(signature: inspect.Signature, keywords: Mapping[str, Any]) -> str | None:
    """Return in words which keyword a function does not have, None where it has them all."""
    names = [name for name, one in signature.parameters.items() if one.kind is not one.VAR_KEYWORD]
    unknown = next((name for name in keywords if name not in names), None)
    if unknown is None or len(names) < len(signature.parameters):
        return None
    possible = [name for name in names if name != "self"]
    return (
        f"there is no argument {unknown!r}.{did_you_mean(unknown, possible)} Possible: {', '.join(possible)}"
    )


def _evaluated(annotation: Any, names: Mapping[str, Any]) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any
    try:
        return eval(annotation, dict(names)) if isinstance(annotation, str) else annotation
    except Exception:  # a name that only type checkers import
        return Any


def in_short(value: object) -> str:
    """Return a value in one line of a few words, whatever it is."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{type(value).__name__} of shape {tuple(shape)}"
    try:
        words = " ".join(repr(value).split())
    except Exception:
        words = f"a {type(value).__name__}"
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."


def fits(value: Any, expected: Any) -> bool:
    """Whether a value is what an annotation says, as far as that can be told; True where it cannot.

    >>> fits(3, int | None), fits("3", int | None), fits(float("nan"), float), fits([1, "a"], Sequence[int])
    (True, False, False, False)
    """
    origin, inner = typing.get_origin(expected), typing.get_args(expected)
    if expected is Any:
        return True
    if expected is None or expected is type(None):
        return value is None
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if origin is not None and isinstance(origin, type):
        return (
            isinstance(value, origin)
            and not isinstance(value, str | bytes)
            and not _is_one_number(value)
            and _holds(value, origin, inner)
        )
    if expected is bool or expected is str:
        return isinstance(value, expected)
    if expected is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if expected is float:
        return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)
    return isinstance(value, expected) if isinstance(expected, type) and not _is_protocol(expected) else True


def _holds(value: Any, origin: type, inner: tuple[Any, ...]) -> bool:
    if not inner or not issubclass(origin, Iterable) or not isinstance(value, Collection):
        return True
    if isinstance(value, Mapping):
        return len(inner) == 2 and all(
            fits(key, inner[0]) and fits(item, inner[1]) for key, item in value.items()
        )
    if origin is tuple and inner[-1] is not Ellipsis:
        return len(value) == len(inner) and all(map(fits, value, inner))
    return all(fits(item, inner[0]) for item in value)


def _is_protocol(expected: type) -> bool:
    return bool(getattr(expected, "_is_protocol", False)) and expected is not os.PathLike


def _in_words(expected: Any) -> str:
    origin, inner = typing.get_origin(expected), typing.get_args(expected)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_in_words, inner)))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if expected in (None, type(None)):
        return "None"
    if origin is os.PathLike or expected is os.PathLike:
        return "a path"
    if isinstance(origin, type):
        if origin is tuple and inner and inner[-1] is not Ellipsis:
            return f"({', '.join(map(_in_words, inner))})"
        kind = "a mapping" if issubclass(origin, Mapping) else "several"
        return f"{kind} (each {_in_words(inner[-1] if kind == 'a mapping' else inner[0])})" if inner else kind
    name = getattr(expected, "__name__", str(expected))
    article = "an" if name[:1] in "AEIOU" else "a"
    return _WORDS.get(expected, f"{article} {name}") if isinstance(expected, type) else name
