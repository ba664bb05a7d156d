"""A style transfer from coarse to fine: each size starts from the smaller one's picture and optimizer state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from convscope.errors import InputError
from convscope.network.network import Network
from convscope.optimization.optimizers import State
from convscope.pictures.picture_tensor import within
from convscope.pictures.resizing import Size, resized
from convscope.styling.settings import StyleSettings
from convscope.styling.steps import StyleStep, optimizer_state_of, result_of, style_steps
from convscope.styling.targets import Style, Targets, targets_of
from convscope.styling.tiling import tiled_targets_of

_MOMENTS = {"m": 1, "v": 2}  # powers of the gradient in what Adam and its kin hold


@dataclass(frozen=True, eq=False)
class Restyling:
    """A style transfer that can be run: content (1, 3, H, W) and styles in 0..1, and what it starts from.

    ``start`` is a picture (1, 3, H, W) in 0..1, or None for what the settings say. With ``tile`` it is computed in
    windows of about so many pixels, with the same result.
    """

    network: Network
    content: Tensor
    styles: Sequence[Style]
    settings: StyleSettings
    start: Tensor | None = None
    seed: int = 0
    tile: int | None = None

    def __post_init__(self) -> None:
        if not self.styles:
            raise InputError("a style transfer needs at least one style picture")
        painted = [("style", style.picture) for style in self.styles]
        started = [] if self.start is None else [("start", self.start)]
        for what, picture in (("content", self.content), *painted, *started):
            if picture.dim() != 4 or picture.shape[:2] != (1, 3):
                raise InputError(f"the {what} picture is (1, 3, height, width), not {tuple(picture.shape)}")
            low, high = float(picture.min()), float(picture.max())
            if not (low >= -0.01 and high <= 1.01):
                raise InputError(
                    f"the {what} picture holds {low:g} to {high:g}, not 0..1: divide 0..255 by 255"
                )

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The sizes it passes through."""
        return self.settings.scales.sizes((int(self.content.shape[2]), int(self.content.shape[3])))

    @property
    def steps_per_size(self) -> tuple[int, ...]:
        """How many steps each size has."""
        return tuple(self.settings.steps_at(index) for index in range(len(self.sizes)))

    def steps(self, resume: State | None = None) -> Iterator[StyleStep]:
        """Yield the steps of every size, coarsest first, or those after an earlier step's `state`."""
        here = self.network.device
        resume = None if resume is None else {name: value.to(here) for name, value in resume.items()}
        done, total = (int(resume["index"]) if resume else 0), sum(self.steps_per_size)
        values = resume["values"] if resume else self._first_values().to(here)
        state = None if resume is None else optimizer_state_of(resume)
        before = 0
        for number, (size, count) in enumerate(zip(self.sizes, self.steps_per_size, strict=True)):
            skipped = min(max(0, done - before), count)
            if state is not None and done == before + count:  # it ended just between two sizes
                values = result_of(values, state)
            if skipped < count:
                values, state = carried(values, state, size, self.settings)
                targets = self._targets(size)
                step = None
                for step in style_steps(targets, values, count, state, after=skipped):
                    yield replace(
                        step, index=before + step.index, of=total, scale=(number + 1, len(self.sizes))
                    )
                if step is not None:
                    values, state = step.result, step.optimizer_state
            before += count

    def _targets(self, size: Size) -> Targets:
        if self.tile is None:
            return targets_of(self.network, *self._at(size), self.settings)
        return tiled_targets_of(self.network, *self._at(size), self.settings, self.tile)

    def _at(self, size: Size) -> tuple[Tensor, list[Style]]:
        """Return content and styles at one size."""
        here = self.network.device

        def at_its_size(style: Style) -> Tensor:
            return resized(
                style.picture, within(style.picture, self.settings.style_scale * max(size)), "bicubic"
            )

        return resized(self.content, size, "bicubic").to(here), [
            replace(style, picture=at_its_size(style).to(here)) for style in self.styles
        ]

    def _first_values(self) -> Tensor:
        """Return the values of the coarsest size to start from."""
        size = self.sizes[0]
        if self.start is not None:
            return self.settings.values(resized(self.start, size, "bicubic"))
        content = self.settings.values(resized(self.content, size, "bicubic"))
        match self.settings.start:
            case "content":
                return content
            case "style":
                return self.settings.values(resized(self.styles[0].picture, size, "bicubic"))
            case "gray":
                return self.settings.values(torch.full_like(content, 0.5))
            case "noise":
                return self._noise(content)

    def _noise(self, content: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(content.shape, generator=generator).to(content)
        if self.settings.noise is None:
            return content.mean() + content.std(correction=0) * noise
        spec = self.network.picture_spec
        middle = spec.to_rgb(torch.zeros(1, *spec.shape[1:])).mean((2, 3), keepdim=True)
        return self.settings.values(middle.to(content) + self.settings.noise * noise)


def carried(
    values: Tensor, state: State | None, size: Size, settings: StyleSettings
) -> tuple[Tensor, State | None]:
    """Return a picture's values and its optimizer's state at another size.

    What the state holds for each pixel is resized as the picture is; one that holds anything else (L-BFGS's past moves)
    is begun anew. So is the average. Losses in units are means over positions: the more pixels, the less each one's
    gradient. Moments of the smaller picture's gradients would make the steps of the larger too short.
    """
    if tuple(values.shape[2:]) == size:
        return values, state
    picture = F.interpolate(values, size, mode="bicubic")
    if settings.clamp:
        picture = picture.clamp(settings.black, settings.white)
    if state is None:
        return picture, None
    numbers = {name: value for name, value in state.items() if not name.startswith("average")}
    if any(value.dim() and value.shape != values.shape for value in numbers.values()):
        return picture, None
    less = values[0, 0].numel() / picture[0, 0].numel() if settings.in_units else 1.0
    return picture, {
        name: F.interpolate(value, size, mode="bilinear") * less ** _MOMENTS.get(name[0], 0)
        if value.dim()
        else value
        for name, value in numbers.items()
    }
