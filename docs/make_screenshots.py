"""Make the documentation's pictures of the page: the built-in network, explored in Chromium.

Run `python docs/make_screenshots.py`, and look at docs/pictures/explore*.webp before you commit them: a desktop, one
in dark colors, a phone, and a unit alone. With a network's path and a unit of it they are of that one.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from convscope import open_network
from convscope.web.server import serve

PICTURES = Path(__file__).parent / "pictures"
PATIENCE = 600_000  # milliseconds: making a unit's picture takes most of it


@dataclass(frozen=True)
class Shot:
    """A picture of the page: its file, the window's size, its colors, what the address asks for behind the unit.

    It is kept in `share` of that size.
    """

    name: str
    size: tuple[int, int]
    theme: str = "light"
    query: str = ""
    share: float = 1.0


SHOTS = (
    Shot("explore.webp", (1320, 800), query="@3,4", share=0.8),
    Shot("explore-dark.webp", (1320, 800), "dark", "?palette=inferno&backward=saliency", share=0.75),
    Shot("explore-phone.webp", (390, 780)),
    Shot("explore-unit.webp", (1320, 760), query="?view=unit", share=0.6),
)


def shoot(browser: Browser, address: str, shot: Shot) -> None:
    """Open the page, wait until everything about the unit is there, and keep a picture of it in few bytes."""
    size = {"width": shot.size[0], "height": shot.size[1]}
    context = browser.new_context(viewport=size, color_scheme=shot.theme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(address + shot.query)
    for words in ("The score with it, less the score", "wants to see: ", "More of it"):
        page.get_by_text(words).first.wait_for(state="attached", timeout=PATIENCE)
    page.wait_for_function("() => !document.querySelector('.places .unmade')", timeout=PATIENCE)
    path, whole = PICTURES / shot.name, page.screenshot(animations="disabled")
    context.close()
    with Image.open(BytesIO(whole)) as image:
        width, height = (round(shot.share * side) for side in image.size)
        image.convert("RGB").resize((width, height)).save(path, quality=65, method=6)
    print(path, f"{path.stat().st_size:,} bytes")


def main(source: str = "builtin", unit: str = "mixed4a:42") -> None:
    """Explore a network at a unit, and make each picture."""
    server = serve(open_network(source), ["chelsea"])
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            for shot in SHOTS:
                shoot(browser, f"{server.address}#/{unit}", shot)
            browser.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
