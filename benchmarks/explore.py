"""How quick the page is, measured in the browser from a key to what it changes on the screen.

Run `python benchmarks/explore.py [NETWORK] [LAYER]` (the built-in network by default) on a quiet machine; needs
playwright and Chromium. Each line is the median of several, beside the goal; the network's own time, which the goals
of three leave out, is a line of its own. With `deep` and `wide` it is a network of 1,000 layers, or with layers
of 4,096 channels. `python benchmarks/explore.py memory [MINUTES]` uses the page as fast as it
answers, and says what the server's memory does, and the page's.
"""

from __future__ import annotations

import gc
import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import Any

import torch
from playwright.sync_api import CDPSession, Page, TimeoutError, sync_playwright

from convscope import open_network
from convscope.network.engine.allocation import give_freed_memory_back
from convscope.network.network import Network
from convscope.pictures.photograph import open_photograph
from convscope.web.server import serve

GOALS = {
    "command to page, without Python's own start": 3000.0,
    "key to cursor": 16.0,
    "key to unit panel, its picture made before": 100.0,
    "layer switch": 150.0,
    "activations asked to painted, without the network": 60.0,
    "camera frame to grid, without the network": 30.0,
    "camera frame to grid": 1000 / 15,
    "first preview of an optimization": 1000.0,
    "a preview to the next": 500.0,
    "cancel": 200.0,
}
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--no-sandbox")
# Press a key and wait, frame by frame, until what it changes is painted; in milliseconds.
PRESS = """([key, done]) => new Promise((resolve) => {
  const began = performance.now(), ended = new Function('return ' + done);
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  const look = () => ended() ? resolve(performance.now() - began) : requestAnimationFrame(look);
  look();
})"""
# Start a job as the page does, and note when its messages come; after some previews, how long its cancelling takes.
JOB = """async ([layer]) => {
  const { start, cancel } = await import('./static/jobs.js'), began = performance.now(), times = [];
  return new Promise((resolve) => {
    let asked = 0;
    const addresses = [`${layer}:0`]; // as the page asks for the unit under the cursor
    const options = { seed: 7000 + Math.floor(9000 * Math.random()), steps: 1000 };
    const job = start('see', { addresses, options }, (header) => {
      const ended = header.kind === 'end' || header.kind === 'error';
      if (ended) return resolve({ times, cancel: performance.now() - asked });
      if (header.unit === addresses[0]) times.push(performance.now() - began);
      if (times.length === 6) stop();
    });
    const stop = () => asked || cancel(job, asked = performance.now());
    setTimeout(stop, 60000); // of a thousand layers one step takes long
  });
}"""
KEYS = "] ArrowRight e n b ] [ ArrowDown x b b b [ Enter Escape r"  # of one round
PAINTED = "!document.querySelector('#grid-pane .stale')"  # it is dimmed until its answer is there
GRID_TITLE = "document.querySelector('#grid-pane h2')?.innerText"


def timed(function: Callable[[], Any]) -> float:
    """Return how long something takes, in milliseconds."""
    began = perf_counter()
    function()
    return 1000 * (perf_counter() - began)


def median_of(count: int, function: Callable[[], float]) -> float:
    """Return the middle one of several measurements."""
    return median(function() for _ in range(count))


def own_time(network: Network, layer: str) -> float:
    """Return what the network itself takes for a layer's answer with the classes, in milliseconds."""
    photograph = open_photograph("chelsea")
    layers = [layer, *network.class_values[:1]]

    def run() -> None:
        network.activations(network.preprocess(photograph), *layers)

    run()
    return median_of(7, lambda: timed(run))


def settled(page: Page) -> None:
    """Wait until nothing is asked any more."""
    page.wait_for_function("() => !document.querySelector('#grid-pane .stale')")
    page.wait_for_load_state("networkidle")


def at_rest(page: Page) -> None:
    """Stop what is being made, and wait until nothing is asked and no job runs: what is held then is kept."""
    settled(page)
    page.wait_for_timeout(1000)  # what is asked for once the cursor rests is asked for by then
    page.evaluate("async () => (await import('./static/sees.js')).stop()")
    page.wait_for_function(
        "() => !document.querySelector('#status').innerText.includes('a picture is being made')"
    )


def measure(
    page: Page, address: str, layer: str, network: Network, start: float
) -> Iterator[tuple[str, float]]:
    """Yield each latency of a page that is open, in milliseconds; `start` is what the server took."""

    def begin() -> None:
        page.goto(f"{address}#/{layer}:0")
        page.wait_for_function(f"() => ({GRID_TITLE} ?? '').includes('channels')")

    yield "command to page, without Python's own start", start + timed(begin)
    settled(page)
    yield "key to cursor", cursor_time(page)
    yield "key to unit panel, its picture made before", unit_time(page)
    settled(page)
    yield "layer switch", layer_time(page)
    # What is asked for again is known: the network is not run.
    asked = median_of(7, lambda: float(page.evaluate(PRESS, ["r", PAINTED])))
    yield "activations asked to painted, without the network", asked
    alone = own_time(network, layer)
    frame = frame_time(page)
    yield "camera frame to grid, without the network", max(0.0, frame - alone)
    yield "camera frame to grid", frame
    job = page.evaluate(JOB, [layer])
    yield (
        "first preview of an optimization",
        (job["times"] or [math.inf])[0],
    )  # infinite: none within a minute
    between = [after - before for before, after in zip(job["times"], job["times"][1:], strict=False)]
    yield "a preview to the next", median(between or [math.inf])
    yield "cancel", job["cancel"]
    yield "the network itself", alone


def cursor_time(page: Page) -> float:
    """Return how long the cursor takes to move."""
    moves = []
    for key in ("ArrowRight", "ArrowLeft") * 5:  # a layer may have few channels
        page.evaluate("() => { window.before = document.querySelector('.cursor').style.left }")
        moved = "document.querySelector('.cursor').style.left !== window.before"
        moves.append(float(page.evaluate(PRESS, [key, moved])))
    return median(moves)


def unit_time(page: Page) -> float:
    """Return how long it takes until a unit whose picture was made before shows it."""
    picture = "document.querySelector('#unit-pane .big img')"
    for key in ("ArrowLeft", "ArrowRight"):
        page.keyboard.press(key)
        made = f"{picture}?.complete && {picture}.naturalWidth"
        try:
            page.wait_for_function(
                f"() => {made} && !document.body.innerText.includes('% made)')", timeout=60_000
            )
        except TimeoutError:  # of a thousand layers it takes long: the picture as it is now will do
            page.wait_for_function(f"() => {made}", timeout=120_000)
    there = []
    for key in ("ArrowLeft", "ArrowRight") * 3:
        page.evaluate(f"() => {{ window.before = {picture}?.src }}")
        there.append(
            float(page.evaluate(PRESS, [key, f"{picture}?.complete && {picture}.src !== window.before"]))
        )
    return median(there)


def layer_time(page: Page) -> float:
    """Return how long another layer takes to be painted, there and back."""
    title = json.dumps(page.inner_text("#grid-pane h2"))
    there, again = [], []
    for _ in range(5):
        there.append(float(page.evaluate(PRESS, ["]", f"{GRID_TITLE} !== {title}"])))
        again.append(float(page.evaluate(PRESS, ["[", f"{GRID_TITLE} === {title}"])))
        settled(page)
    return median(there + again)


def frame_time(page: Page) -> float:
    """Return how long a camera's frame takes to be a grid."""
    page.keyboard.press("c")
    page.wait_for_function("() => document.querySelector('#status').innerText.includes('pictures a second')")
    page.wait_for_timeout(5000)
    rate = float(page.inner_text("#status").split(" pictures a second")[0].split()[-1])
    page.keyboard.press("c")
    return 1000 / max(rate, 0.1)


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a browser whose camera is a film."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FAKE_CAMERA))
        page = browser.new_page(viewport={"width": 1440, "height": 900}, bypass_csp=True)
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def memory(minutes: float = 10.0) -> None:
    """Use the page as fast as it answers, and print the server's memory after each tenth of the time, at rest."""
    server = serve(open_network("builtin"), ["chelsea", "coffee"])
    with browser_page() as page:
        page.goto(f"{server.address}#/mixed4a:0")
        page.wait_for_function(f"() => ({GRID_TITLE} ?? '').includes('channels')")
        browser = page.context.new_cdp_session(page)
        print("| minutes | rounds | server MB | page MB | its nodes |\n|---|---|---|---|---|")
        began, rounds, next_line = monotonic(), 0, 0.0
        while (spent := (monotonic() - began) / 60) < minutes:
            rounds += 1
            for key in KEYS.split():
                page.keyboard.press(key)
                page.wait_for_timeout(60)
            settled(page)
            if rounds % 10 == 0:
                page.evaluate(JOB, ["mixed4a"])
            if spent >= next_line:
                at_rest(page)
                print(f"| {spent:.1f} | {rounds} | {resident():.0f} | {in_page(browser)} |", flush=True)
                next_line += minutes / 10
        at_rest(page)
        print(f"| {minutes:.1f} | {rounds} | {resident():.0f} | {in_page(browser)} |")
    server.stop()


def in_page(browser: CDPSession) -> str:
    """Return what the page holds once garbage is collected: MB of JavaScript, and nodes."""
    browser.send("HeapProfiler.collectGarbage")
    browser.send("Performance.enable")
    found = {one["name"]: one["value"] for one in browser.send("Performance.getMetrics")["metrics"]}
    return f"{found['JSHeapUsedSize'] / 2**20:.1f} | {found['Nodes']:.0f}"


def resident() -> float:
    """Return this process's memory in MB, without what was freed: the page's worker gives that back once it rests."""
    gc.collect()
    give_freed_memory_back()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(status.partition("VmRSS:")[2].split()[0]) / 1024


def deep() -> Network:
    """A network of a thousand layers."""
    layers = [torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.ReLU()) for _ in range(499)]
    return _opened(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), *layers)


def wide() -> Network:
    """A network with two layers of 4,096 channels, 14 x 14 and one number each."""
    layers = (torch.nn.Conv2d(3, 32, 4, 4), torch.nn.ReLU(), torch.nn.Conv2d(32, 4096, 4, 4), torch.nn.ReLU())
    return _opened(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Conv2d(4096, 4096, 1))


def _opened(*layers: torch.nn.Module) -> Network:
    torch.manual_seed(0)
    return open_network(torch.nn.Sequential(*layers), input_shape=(1, 3, 224, 224))


NETWORKS: Mapping[str, Callable[[], Network]] = {"deep": deep, "wide": wide}


def main(source: str = "builtin", layer: str = "") -> None:
    """Print the table; a network's middle layer where none is named."""
    began = perf_counter()
    network = NETWORKS[source]() if source in NETWORKS else open_network(source)
    layer = layer or ("mixed4a" if source == "builtin" else list(network.layers)[len(network.layers) // 2])
    server = serve(network, ["chelsea", "coffee"])
    start = 1000 * (perf_counter() - began)
    print(f"{network.name}, {layer}\n\n| latency | measured | goal |\n|---|---|---|")
    with browser_page() as page:
        for name, milliseconds in measure(page, server.address, layer, network, start):
            goal = f"{GOALS[name]:,.0f} ms" if name in GOALS else ""
            print(f"| {name} | {milliseconds:,.0f} ms | {goal} |", flush=True)
    server.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        memory(*map(float, sys.argv[2:]))
    else:
        main(*sys.argv[1:])
