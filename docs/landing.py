"""The first page of the site: its pictures as cards, each with what it shows, and the contents in the index's order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

_LINKED = re.compile(
    r'^\[<img src="(?P<picture>[^"]+)" width="\d+" alt="(?P<words>[^"]+)">\]\((?P<page>\w+)\.md\)\n', re.M
)
_WIDE = 1.5  # of its height: such a picture takes two columns


def site_index(text: str, folder: Path) -> str:
    """Return the index as the site has it; a code host, which has no cards and no contents, shows it as it is."""
    gallery = "[Every technique in one picture](auto_gallery/index), with the lines that make it. "
    contents = "".join(map(_contents, *zip(*_parts(text), strict=True)))
    return _cards(text, folder).replace("Each page here", f"{gallery}Each page here", 1) + contents


def _cards(text: str, folder: Path) -> str:
    """Put the linked pictures that stand below each other into a grid, with their words below them."""
    found = [*_LINKED.finditer(text)]
    cards = "".join(_card(one, folder) for one in found)
    grid = f"::::{{container}} cards\n{cards}::::\n"
    return text[: found[0].start()] + grid + text[found[-1].end() :]


def _card(linked: re.Match[str], folder: Path) -> str:
    with Image.open(folder / linked["picture"]) as picture:
        shape = "card wide" if picture.width > _WIDE * picture.height else "card"
    options = f":alt: {linked['words']}\n:target: {linked['page']}.html\n:figclass: {shape}\n"
    return f":::{{figure}} {linked['picture']}\n{options}\n[{linked['words']}]({linked['page']}.md)\n:::\n"


def _parts(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the site's contents, a part for each bold line of the index, in its order; the gallery comes first."""
    yield "", ["auto_gallery/index"]
    _, *parts = re.split(r"^\*\*(.+)\*\*$", text, flags=re.MULTILINE)
    for caption, links in zip(parts[::2], parts[1::2], strict=True):
        yield caption, list(dict.fromkeys(re.findall(r"\]\(([\w/-]+)\.md", links)))


def _contents(caption: str, pages: list[str]) -> str:
    captioned = [f":caption: {caption}"] if caption else []
    return "\n".join(["", "", "```{toctree}", ":hidden:", *captioned, *pages, "```"])
