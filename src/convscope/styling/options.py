"""How a picture is styled: every setting by name, where a preset leaves it open or a person wants another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from convscope.errors import InputError, require_one_of
from convscope.network.engine.differentiable import half_precision
from convscope.network.network import Network
from convscope.optimization.job_options import JobKeywords, JobOptions, require_reasonable
from convscope.optimization.optimizers import LBFGS, Adam, Optimizer
from convscope.pictures.photograph import PictureLike
from convscope.styling.layers import chosen_layers
from convscope.styling.presets import StylePreset, style_preset
from convscope.styling.settings import StyleSettings, StyleStart, require_weight

Layers: TypeAlias = str | Sequence[str] | Mapping[str, float] | None
"""One address, several, or several with weights among each other; None: the preset's."""
OptimizerName = Literal["adam", "lbfgs"]
STARTS = get_args(StyleStart)
_OPTIMIZERS: Mapping[str, Optimizer] = {"adam": Adam((0.9, 0.99)), "lbfgs": LBFGS(20)}
_SETTINGS = (
    *("content_weight", "style_weight", "smoothness_weight", "steps", "rate", "style_scale"),
    *("pooling", "edges"),
)


@dataclass(frozen=True, kw_only=True)
class StyleOptions(JobOptions):
    """How a picture is styled: a preset's name, and what differs from it. None leaves a setting to the preset.

    - ``preset``: a name of `convscope.presets.STYLE_PRESETS`.
    - ``size``: the longer side in pixels; by default the picture's own, at most the preset's.
    - ``start``: "content", "noise", "style", "gray", or a picture.
    - ``keep_colors``: the content's colors under the new brightness. ``match_colors``: the styles get the content's
      colors beforehand.
    - ``regions``: for each style, or None, a gray picture of where in the content it counts; ``masks``: of where in the
      style.
    - ``content_layers``, ``style_layers``: addresses, perhaps with weights among each other.
    - ``content_weight``, ``style_weight``, ``smoothness_weight``: larger is closer to the content, closer to the style,
      less grain.
    - ``steps``: steps at each size; ``rate``: how far each goes, in the preset's values; ``optimizer``: "adam" or
      "lbfgs".
    - ``style_scale``: the brush strokes' size; ``coarsest``: the longer side of the first size in pixels.
    - ``pooling``: "average" for means where the network pools maxima; ``edges``: what its filters see beyond the edge,
      "zeros", "reflect" or "replicate".
    - ``fast``: compute in half precision (bfloat16), less exact.
    - ``tile``: compute in windows of about so many pixels, with the same result.
    - ``stop_after``: take the picture as it is after so many steps, over all sizes.
    - ``bits``: bits a channel of the picture, 8 or 16; by default those of the picture it is made from. Only a PNG
      keeps 16.
    - ``seed``: another seed, other noise to start from.

    >>> StyleOptions(size=640, keep_colors=True, style_weight=2.0)
    """

    what: ClassVar[str] = "a style transfer"
    start: PictureLike | None = None
    match_colors: bool = False
    regions: Sequence[PictureLike | None] = ()
    masks: Sequence[PictureLike | None] = ()
    content_layers: Layers = None
    style_layers: Layers = None
    content_weight: float | None = None
    style_weight: float | None = None
    smoothness_weight: float | None = None
    optimizer: OptimizerName | None = None
    style_scale: float | None = None
    coarsest: int | None = None
    pooling: str | None = None
    edges: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep_colors and self.match_colors:
            raise InputError("keep_colors and match_colors are two ways to the content's colors: give one")

    @property
    def source(self) -> StylePreset:
        """The preset as its source made it."""
        return style_preset(self.preset)

    @property
    def starts_from_picture(self) -> bool:
        """Whether ``start`` is a picture, and not a word or the preset's."""
        return not (self.start is None or (isinstance(self.start, str) and self.start in STARTS))

    def settings(self, network: Network) -> StyleSettings:
        """Return the preset's settings with these changes, and with layers of this network."""
        preset = self.source
        settings = preset.settings
        changes: dict[str, Any] = {} if self.optimizer is None else _optimizer(self.optimizer, preset)
        if preset.rate_elsewhere is not None and not preset.is_for(network):
            changes.setdefault("rate", preset.rate_elsewhere)
        usual = changes.get("rate", settings.rate)
        changes |= {name: value for name in _SETTINGS if (value := getattr(self, name)) is not None}
        for what, own in (("content", settings.content_layers), ("style", settings.style_layers)):
            weights = _weights(getattr(self, f"{what}_layers"))
            share = sum(own.values()) / (sum(weights.values()) or 1.0)
            changes[f"{what}_layers"] = {
                str(network.resolve(address)): share * weight for address, weight in weights.items()
            } or chosen_layers(network, own, what, before_relu=preset.before_relu)
        if self.coarsest is not None:
            changes["scales"] = replace(settings.scales, smallest=self.coarsest, most=None)
        if self.steps is not None:
            changes["first_steps"] = None
        if self.start is not None and not self.starts_from_picture:
            changes["start"] = self.start
        changed = replace(
            settings, precision=half_precision() if self.fast else settings.precision, **changes
        )
        if self.rate is not None and isinstance(changed.optimizer, Adam):
            require_reasonable(self.rate, changed.white - changed.black, usual)
        return changed


class StyleKeywords(JobKeywords, total=False):
    """The fields of `StyleOptions` as keywords; ``changes`` is some of them in one mapping."""

    start: PictureLike | None
    match_colors: bool
    regions: Sequence[PictureLike | None]
    masks: Sequence[PictureLike | None]
    content_layers: Layers
    style_layers: Layers
    content_weight: float | None
    style_weight: float | None
    smoothness_weight: float | None
    optimizer: OptimizerName | None
    style_scale: float | None
    coarsest: int | None
    pooling: str | None
    edges: str | None


def _optimizer(name: str, preset: StylePreset) -> dict[str, Any]:
    """Return the settings of another optimizer, in the preset's values; none where it is the preset's own."""
    require_one_of("optimizer", name, _OPTIMIZERS)
    settings, kind = preset.settings, _OPTIMIZERS[name]
    if isinstance(settings.optimizer, type(kind)):
        return {}
    rate = 1.0 if name == "lbfgs" else preset.adam_rate or 0.02 * (settings.white - settings.black)
    return {"optimizer": kind, "rate": rate}


def _weights(layers: Layers) -> Mapping[str, float]:
    """Return addresses with their weights among each other, equal where none are given."""
    names = [layers] if isinstance(layers, str) else layers or ()
    weights = layers if isinstance(layers, Mapping) else dict.fromkeys(names, 1.0)
    for name, weight in weights.items():
        require_weight(f"the weight of {name}", weight)
    return weights
