"""How quick the page is, measured in the browser: key to cursor, layer switch, camera frame to grid.

Run `python benchmarks/explore.py [NETWORK] [LAYER]` (the built-in network by default) on a quiet machine; needs
playwright and Chromium. Each line is the median of several, beside the goal.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from playwright.sync_api import Page, sync_playwright

from convscope import open_network
from convscope.web.server import serve

GOALS = {
    "command to page": 3000.0,
    "key to cursor": 16.0,
    "layer switch": 150.0,
    "camera frame to grid": 66.0,
}
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--no-sandbox")
# Press a key and wait, frame by frame, until what it changes is there; in milliseconds.
PRESS = """([key, done]) => new Promise((resolve) => {
  const began = performance.now(), ended = new Function('return ' + done);
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  const look = () => ended() ? resolve(performance.now() - began) : requestAnimationFrame(look);
  look();
})"""


def timed(function: Callable[[], Any]) -> float:
    """Return how long something takes, in milliseconds."""
    began = perf_counter()
    function()
    return 1000 * (perf_counter() - began)


def measure(page: Page, address: str, layer: str) -> dict[str, float]:
    """Return each latency of a page that is open."""
    has_grid = "() => document.querySelector('#grid-pane h2')?.innerText.includes('channels')"

    def begin() -> None:
        page.goto(f"{address}#/{layer}:0")
        page.wait_for_function(has_grid)

    found = {"command to page": timed(begin)}
    cursor = "document.querySelector('.cursor').style.left !== (window.before ?? '')"
    keep = "() => { window.before = document.querySelector('.cursor').style.left }"
    moves = []
    for _ in range(9):
        page.evaluate(keep)
        moves.append(float(page.evaluate(PRESS, ["ArrowRight", cursor])))
    found["key to cursor"] = median(moves)
    page.wait_for_timeout(2000)
    title = json.dumps(page.inner_text("#grid-pane h2"))
    switched = f"document.querySelector('#grid-pane h2').innerText !== {title}"
    back = f"document.querySelector('#grid-pane h2').innerText === {title}"
    there, again = [], []
    for _ in range(5):
        there.append(float(page.evaluate(PRESS, ["]", switched])))
        again.append(float(page.evaluate(PRESS, ["[", back])))
    found["layer switch"] = median(there + again)
    page.keyboard.press("c")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('pictures a second')")
    page.wait_for_timeout(5000)
    words = page.inner_text("#status")
    rate = float(words.split(" pictures a second")[0].split()[-1])
    found["camera frame to grid"] = 1000 / max(rate, 0.1)
    return found


def main(source: str = "builtin", layer: str = "mixed4a") -> None:
    """Print the table."""
    began = perf_counter()
    network = open_network(source)
    server = serve(network, ["chelsea"])
    start = 1000 * (perf_counter() - began)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FAKE_CAMERA))
        page = browser.new_page(viewport={"width": 1440, "height": 900}, bypass_csp=True)
        found = measure(page, server.address, layer)
        found["command to page"] += start
        browser.close()
    server.stop()
    print(f"{network.name}, {layer}\n\n| latency | measured | goal |\n|---|---|---|")
    for name, milliseconds in found.items():
        print(f"| {name} | {milliseconds:.0f} ms | {GOALS[name]:.0f} ms |")


if __name__ == "__main__":
    main(*sys.argv[1:])
