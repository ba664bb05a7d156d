"""Options as frozen dataclasses, and as a function's keywords: one list of names for both."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from convscope.errors import require_known

FORMER_NAMES = {"iterations": "steps"}
"""What keywords were called before, in recipes too, and what they are called now."""
_Options = TypeVar("_Options")
_Function = TypeVar("_Function", bound=Callable[..., Any])


def updated(options: _Options, keywords: Mapping[str, Any], what: str) -> _Options:
    """Return options with keywords changed; InputError with the closest name for one that is none.

    ``changes`` among them are keywords in one mapping.
    """
    changes = dict(keywords)
    changes = {**(changes.pop("changes", None) or {}), **changes}
    changes = {FORMER_NAMES.get(name, name): value for name, value in changes.items()}
    require_known(what, changes, [field.name for field in fields(options)])  # type: ignore[arg-type]
    return replace(options, **changes)  # type: ignore[type-var]


def takes_options(options: type, keywords: type) -> Callable[[_Function], _Function]:
    """Show the fields of an options class in the signature of a function that takes them as ``**keywords``.

    `keywords` is the TypedDict of them, for type checkers. What `help`, notebooks and `rerun` see is then all of them,
    with their defaults.
    """
    defaults = {field.name: field.default for field in fields(options)}

    def mark(function: _Function) -> _Function:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        shown = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(name),
                annotation=getattr(kind, "__forward_arg__", kind),
            )
            for name, kind in sorted(keywords.__annotations__.items(), key=lambda one: one[0] not in defaults)
        ]
        function.__signature__ = signature.replace(parameters=[*own, *shown])  # type: ignore[attr-defined]
        # The annotations are texts, and mean what they mean where the options are.
        function.annotation_names = vars(sys.modules[keywords.__module__])  # type: ignore[attr-defined]
        return function

    return mark
