"""A real Chromium for the tests of pages, and what every page is asked in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
# WCAG 2's contrast of every text element with the ground it stands on.
CONTRASTS = """() => {
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const numbers = color => { // color-mix() gives color(srgb r g b), in 0..1
    const found = color.match(/[\\d.]+/g).map(Number);
    return color.startsWith('color(srgb') ? [...found.slice(0, 3).map(v => 255 * v), ...found.slice(3)] : found;
  };
  const ground = node => {
    for (; node; node = node.parentElement) {
      const found = numbers(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter(node =>
    [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()) && node.offsetParent);
  return texts.map(node => {
    const [a, b] = [numbers(getComputedStyle(node).color), ground(node)].map(luminance).sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), node.tagName + ' ' + node.textContent.trim().slice(0, 40)];
  });
}"""


@contextmanager
def launched(*arguments: str) -> Iterator[Any]:
    """Start a browser with further arguments; skip where there is none."""
    if not CHROMIUM:
        pytest.skip("needs Chromium: install Debian's package chromium, or set CHROMIUM to its path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments])
        yield opened
        opened.close()
