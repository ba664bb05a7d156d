"""The page as axe-core judges it, where that is: AXE is the path of its axe.min.js."""

import os
from pathlib import Path
from typing import Any

import pytest

from chromium import launched
from convscope.web.server import serve
from planted import plain_picture, planted_network

VIEWS = (
    "explore",
    "explore&groups=4",
    "unit&seeds=true",
    "why",
    "studio",
    "studio&kind=style",
    "atlas",
    "beside",
)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif("AXE" not in os.environ, reason="needs axe-core: AXE is the path of its axe.min.js")
def test_axe_finds_nothing() -> None:
    axe = Path(os.environ["AXE"]).read_text(encoding="utf-8")
    server = serve(planted_network(), [plain_picture((0.1, 0.9, 0.2))])
    found: list[Any] = []
    with launched() as browser:
        for width, theme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
            context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=theme)
            page = context.new_page()
            for view in VIEWS:
                page.goto("about:blank")
                page.goto(f"{server.address}#/conv2:1?tour=1.1&view={view}")
                page.wait_for_function("() => document.querySelector('#status').innerText.includes('ms')")
                if view.startswith("studio"):
                    page.get_by_role("button", name="Make", exact=True).click()
                    page.get_by_role("button", name="Make", exact=True).click()
                page.evaluate(axe)
                violations = page.evaluate("axe.run(document, {iframes: false})")["violations"]
                found += [(view, theme, one["id"], one["nodes"][0]["html"]) for one in violations]
            context.close()
    server.stop()
    assert found == []
