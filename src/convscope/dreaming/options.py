"""How a picture is dreamed: every setting by name, where a preset leaves it open or a person wants another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from convscope.dreaming.presets import DreamPreset, dream_preset
from convscope.dreaming.settings import DreamSettings
from convscope.network.engine.differentiable import half_precision
from convscope.optimization.gradient_edits import LaplacianNormalized, Normalized
from convscope.optimization.job_options import JobKeywords, JobOptions, require_reasonable
from convscope.pictures.photograph import PictureLike

Channels: TypeAlias = str | Sequence[int] | None
"""``(3, 17)``, ``"3,17"``, ``"strongest:8"``, ``"weakest:8"``; None: all."""


@dataclass(frozen=True, kw_only=True)
class DreamOptions(JobOptions):
    """How a picture is dreamed: a preset's name, and what differs from it. None leaves a setting to the preset.

    - ``preset``: a name of `convscope.presets.DREAM_PRESETS`.
    - ``size``: the longer side in pixels; by default the picture's own, at most 1,024.
    - ``guide``: a picture whose features are dreamed instead of the layer's own.
    - ``channels``: those of the layers that count alone: ``(3, 17)``, or ``"strongest:8"`` of those that answer the
      picture.
    - ``mask``: a picture that is white where it dreams. ``keep_colors``: only brightness changes.
    - ``octaves``, ``octave_scale``: how many sizes, and how many times larger each is than the one before.
    - ``steps``: steps at each size; ``rate``: how far each goes, in the preset's values.
    - ``jitter``: by how many pixels the picture is shifted before a step, at random, and back after it.
    - ``zoom``: pixels cut off each side after every step, and the rest enlarged.
    - ``clip``: whether values stay between black and white.
    - ``stop_above``: the objective above which a size ends early.
    - ``fast``: compute in half precision (bfloat16), less exact.
    - ``tile``: compute in windows of about so many pixels, with the same result.
    - ``stop_after``: take the picture as it is after so many steps, over all sizes.
    - ``bits``: bits a channel of the picture, 8 or 16; by default those of the picture it is made from. Only a PNG
      keeps 16.
    - ``seed``: another seed, another dream.

    >>> DreamOptions(preset="google-2015", size=640, steps=20)
    """

    what: ClassVar[str] = "a dream"
    guide: PictureLike | None = None
    channels: Channels = None
    mask: PictureLike | None = None
    octaves: int | None = None
    octave_scale: float | None = None
    jitter: int | None = None
    zoom: int | None = None
    clip: bool | None = None
    stop_above: float | None = None

    @property
    def source(self) -> DreamPreset:
        """The preset as its source made it."""
        return dream_preset(self.preset)

    @property
    def as_its_source(self) -> bool:
        """Whether the preset's steps are left as they are."""
        return (self.rate, self.steps, self.jitter) == (None, None, None)

    def settings(self) -> DreamSettings:
        """Return the preset's settings with these changes."""
        settings = self.source.settings
        octaves = settings.octaves
        if self.octaves is not None:
            octaves = replace(octaves, count=self.octaves, exponents=None)
        if self.octave_scale is not None:
            octaves = replace(octaves, scale=self.octave_scale)
        names = ("steps", "rate", "jitter", "zoom", "clip", "stop_above")
        changes = {name: value for name in names if (value := getattr(self, name)) is not None}
        precision = half_precision() if self.fast else settings.precision
        changed = replace(settings, octaves=octaves, precision=precision, **changes)
        kinds = (Normalized, LaplacianNormalized)
        if self.rate is not None and any(isinstance(edit, kinds) for edit in settings.gradient_edits):
            require_reasonable(changed.rate, changed.white - changed.black, settings.rate)
        return changed


class DreamKeywords(JobKeywords, total=False):
    """The fields of `DreamOptions` as keywords; ``changes`` is some of them in one mapping."""

    guide: PictureLike | None
    channels: Channels
    mask: PictureLike | None
    octaves: int | None
    octave_scale: float | None
    jitter: int | None
    zoom: int | None
    clip: bool | None
    stop_above: float | None
