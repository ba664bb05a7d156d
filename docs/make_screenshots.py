"""Make the documentation's picture of the page: the built-in network, explored in Chromium.

Run `python docs/make_screenshots.py`, and look at docs/pictures/explore.png before you commit it. With a network's path
it is of that one.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from convscope import open_network
from convscope.web.server import serve

PICTURE = Path(__file__).parent / "pictures" / "explore.png"
SIZE = {"width": 1320, "height": 800}


def main(source: str = "builtin", address: str = "mixed4a:42") -> None:
    """Explore a network at a unit, wait until everything about the unit is there, and keep the page's picture."""
    server = serve(open_network(source), ["chelsea"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{server.address}#/{address}")
        page.wait_for_function("() => document.body.innerText.includes('less the score')", timeout=300_000)
        page.wait_for_function("() => document.body.innerText.includes('wants to see: ')", timeout=300_000)
        page.wait_for_timeout(500)
        page.screenshot(path=PICTURE)
        browser.close()
    server.stop()
    with Image.open(PICTURE) as image:
        image.convert("RGB").quantize(256).save(PICTURE, optimize=True)  # a quarter of the bytes
    print(PICTURE)


if __name__ == "__main__":
    main(*sys.argv[1:])
