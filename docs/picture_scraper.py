"""How the gallery gets its pictures: each example ends with one, under the name ``picture``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sphinx_gallery.scrapers import figure_rst


def scrape(block: tuple[Any, ...], block_vars: Mapping[str, Any], gallery_conf: Mapping[str, Any]) -> str:
    """Save what an example made, and return the lines that show it with its caption."""
    picture = block_vars["example_globals"].pop("picture", None)
    if picture is None:
        return ""
    path = next(block_vars["image_path_iterator"])
    picture.save(path)
    return figure_rst([path], gallery_conf["src_dir"], picture.caption)


def _get_sg_image_scraper() -> Callable[..., str]:
    return scrape
