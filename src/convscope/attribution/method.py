"""What makes a function an attribution method: it says how it was made, and takes the options of the panels."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, TypeVar, get_type_hints

from convscope.attribution.attribution import Attribution
from convscope.attribution.panels import PanelOptions
from convscope.attribution.target import signals_too
from convscope.pictures.recording import recipe_function
from convscope.progress import bars

_Function = TypeVar("_Function", bound=Callable[..., Attribution])
PANEL_KEYWORDS = tuple(field.name for field in fields(PanelOptions))


_OF_PICTURES = frozenset({"relevance", "extremal_perturbation", "attention_rollout"})
"""The methods that need rows and columns; the others work along a signal and in a volume too."""

_ALIKE = """\
It returns an `Attribution`: its ``values`` are (height, width, colors) of the network's input, or a layer's (rows,
columns), and its ``how`` says in words what they are. `panels` are what is drawn of "picture", "map", "colors",
"overlay" and "heat"; values beyond `percentile` (0 to 100) are clipped; `theme` is "light" or "dark"; `bare` leaves
out the title; with ``progress=False`` no bar is shown. UnknownLayer for a target or a layer that is not there,
InputError for a network or an option that does not fit, PictureError for a picture that cannot be read."""


def attribution_method(function: _Function) -> _Function:
    """Mark a function from (network, picture, target, ...) to an Attribution: it gets a recipe, by its own name.

    The function ends its parameters with ``**panels: Unpack[PanelKeywords]``, which it need not look at. Every method
    also takes ``progress=False``: no bar, however long it takes.
    """
    signature = inspect.signature(function)
    *own, last = signature.parameters.values()
    if last.kind is not inspect.Parameter.VAR_KEYWORD:
        raise TypeError(f"{function.__name__} takes no **panels: Unpack[PanelKeywords]")
    kinds = get_type_hints(PanelOptions)
    panels = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=kinds[field.name]
        )
        for field in fields(PanelOptions)
    ]

    @functools.wraps(function)
    def with_panels(*positional: Any, **keywords: Any) -> Attribution:
        panel_options = {name: keywords.pop(name) for name in PANEL_KEYWORDS if name in keywords}
        options = PanelOptions(**panel_options)  # what is wrong with them is said before the work
        with bars(keywords.pop("progress", True)), signals_too(function.__name__ not in _OF_PICTURES):
            attribution = function(*positional, **keywords)
        return replace(attribution, options=options)

    with_panels.__doc__ = f"{inspect.getdoc(function)}\n\n{_ALIKE}"
    progress = inspect.Parameter("progress", inspect.Parameter.KEYWORD_ONLY, default=True, annotation=bool)
    with_panels.__signature__ = signature.replace(parameters=[*own, *panels, progress])  # type: ignore[attr-defined]
    return recipe_function(function.__name__)(with_panels)  # type: ignore[return-value]
