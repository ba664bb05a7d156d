"""The look of every picture with words in it: two themes and one typeface, the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import lazy_loader
from PIL import ImageFont

from convscope.errors import by_name

matplotlib = lazy_loader.load("matplotlib")  # loaded by whoever draws: it takes half a second

ThemeName: TypeAlias = Literal["light", "dark"]


@dataclass(frozen=True)
class Theme:
    """Colors as ``#rrggbb``: the page and panels on it, words, lines, what matters most and what matters less."""

    page: str
    panel: str
    text: str
    muted: str
    line: str
    cross: str
    accent: str
    quiet: str
    warning: str


THEMES: dict[str, Theme] = {
    "light": Theme(
        "#ffffff", "#f4f5f7", "#1d2129", "#667080", "#dde1e7", "#bcc4cf", "#2460b8", "#a9bfdf", "#b3382c"
    ),
    "dark": Theme(
        "#14171c", "#1d2128", "#e8eaee", "#98a2b1", "#343b46", "#4d5766", "#6ea8ff", "#3d5a86", "#ff8375"
    ),
}


def theme_named(name: ThemeName) -> Theme:
    """Return the theme "light" or "dark"; InputError for another."""
    return by_name(THEMES, name, "theme")


@lru_cache(maxsize=32)
def font(size: float) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which matplotlib brings along, at a size in pixels."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
