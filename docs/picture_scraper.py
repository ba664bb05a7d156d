"""How the gallery gets its pictures: each example ends with one, under the name ``picture``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from sphinx_gallery.scrapers import figure_rst

_MARKS = re.compile(r"[\\`*_|]")  # what reStructuredText would take for its own


def scrape(block: tuple[Any, ...], block_vars: Mapping[str, Any], gallery_conf: Mapping[str, Any]) -> str:
    """Save what an example made, and return the lines that show it with its caption below."""
    picture = block_vars["example_globals"].pop("picture", None)
    if picture is None:
        return ""
    path = next(block_vars["image_path_iterator"])
    picture.save(path)
    figure = figure_rst([path], gallery_conf["src_dir"], picture.caption)
    return f"{figure}\n\n.. rst-class:: caption\n\n{_MARKS.sub(_escaped, picture.caption)}\n"


def _escaped(mark: re.Match[str]) -> str:
    return f"\\{mark[0]}"


def _get_sg_image_scraper() -> Callable[..., str]:
    return scrape
