"""Everything about how pictures are made, by name, each with its source's numbers.

`preset` returns the `Settings` of one for a network's input; `dataclasses.replace` makes a variant of it.

>>> from dataclasses import replace
>>> from convscope import presets
>>> replace(presets.preset("lucid", network.input_spec), steps=64).steps
64
"""

from convscope.dreaming.presets import DREAM_PRESETS, DreamPreset, dream_preset
from convscope.dreaming.settings import DreamSettings
from convscope.optimization.presets import PRESETS, Preset, preset
from convscope.optimization.settings import Settings
from convscope.styling.presets import STYLE_PRESETS, StylePreset, style_preset
from convscope.styling.settings import StyleSettings

__all__ = [
    "DREAM_PRESETS",
    "PRESETS",
    "STYLE_PRESETS",
    "DreamPreset",
    "DreamSettings",
    "Preset",
    "Settings",
    "StylePreset",
    "StyleSettings",
    "dream_preset",
    "preset",
    "style_preset",
]
