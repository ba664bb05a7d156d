"""A dream's options: the same names as keywords, in the signature, and as a preset's changes."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

import convscope
from convscope.dreaming.options import DreamKeywords, DreamOptions
from convscope.errors import InputError


def test_keywords_are_the_options_fields_and_stand_in_the_signature() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(DreamOptions)}
    assert DreamKeywords.__annotations__.keys() - {"changes"} == fields.keys()
    shown = inspect.signature(convscope.deep_dream).parameters
    assert {name: shown[name].default for name in fields} == fields


def test_what_is_given_changes_the_preset_and_the_rest_stays() -> None:
    options = DreamOptions(preset="google-2015", octaves=2, rate=0.25, fast=True)
    settings, source = options.settings(), options.source.settings
    assert (settings.octaves.count, settings.rate, settings.precision) == (2, 0.25, "bfloat16")
    assert (settings.octaves.scale, settings.jitter, settings.clip) == (1.4, 32, source.clip)
    assert options.updated({"changes": {"rate": 0.5}, "jitter": 3}).settings().rate == 0.5


def test_a_keyword_that_is_none_is_answered_with_the_closest() -> None:
    with pytest.raises(InputError, match=r"a dream has no 'step'\. Did you mean 'steps'"):
        DreamOptions().updated({"step": 2})
