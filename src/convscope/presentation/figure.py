"""The figure that every chart is drawn on, and the Picture that it becomes.

Drawn by matplotlib's object interface on its Agg canvas: no global figure, no window, the same bytes every time.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from convscope.pictures.picture import Picture
from convscope.presentation.style import Theme

_PIXELS_PER_INCH = 200  # twice the usual 100: sharp on a modern screen
_EAST_ASIAN = ("Noto Sans CJK SC", "Noto Sans CJK JP", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei")


@contextmanager
def figure_in_style(width: float, height: float, colors: Theme) -> Iterator[Figure]:
    """Give a figure of a size in inches in our style, whatever style the user set for other plots."""
    style: dict[Any, Any] = {
        **{name: value for name, value in matplotlib.rcParamsDefault.items() if "backend" not in name},
        "font.family": _families(),
        "font.size": 10,
        "text.parse_math": False,
        "text.color": colors.text,
        "axes.labelcolor": colors.muted,
        "xtick.color": colors.muted,
        "ytick.color": colors.muted,
        "ytick.labelcolor": colors.text,
        "axes.edgecolor": colors.line,
        "figure.facecolor": colors.page,
        "axes.facecolor": colors.page,
    }
    with matplotlib.rc_context(style):
        figure = Figure((width, height), dpi=_PIXELS_PER_INCH)
        figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
        FigureCanvasAgg(figure)
        yield figure


@cache
def _families() -> list[str]:
    """Return the typefaces to use, the second for Chinese, Japanese and Korean labels where one is installed."""
    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *[name for name in _EAST_ASIAN if name in installed][:1]]


def picture_of(figure: Figure, caption: str) -> Picture:
    """Draw a figure, and return it as a picture that can be saved as SVG and PDF too."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    style = dict(matplotlib.rcParams)
    return Picture(
        pixels[:, :, :3].copy(), caption, pixel_ratio=2, drawing=partial(_as_vector_file, figure, style)
    )


def _as_vector_file(figure: Figure, style: dict[Any, Any], form: str, words: Mapping[str, str]) -> bytes:
    """Return a figure as SVG or PDF that carries its words, the same bytes every time; letters stay text in a PDF."""
    own: dict[Any, Any] = {"svg.hashsalt": "convscope", "pdf.fonttype": 42}
    if form == "svg":
        metadata = {"Date": None, "Description": words["caption"], "Source": words["convscope"] or None}
    else:
        metadata = {"CreationDate": None, "Subject": words["caption"], "Keywords": words["convscope"]}
    buffer = io.BytesIO()
    with matplotlib.rc_context({**style, **own}):
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def plain_frame(axes: Axes, colors: Theme) -> None:
    """Leave nothing of the frame but the line below and quiet lines across."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, labelcolor=colors.muted)
    axes.grid(axis="y", color=colors.line, linewidth=0.8)
    axes.set_axisbelow(True)


def drawable(text: str) -> str:
    """Return a text as fonts take it: of a file's name that is no UTF-8 each odd byte is a question mark."""
    return text.encode(errors="replace").decode()


def set_title(axes: Axes, title: str, colors: Theme) -> None:
    """Write a title on the left above, where there is one."""
    if title:
        axes.set_title(drawable(title), loc="left", size=12, color=colors.text, pad=10)
