"""An atlas that is served: its page works without any network, and nothing else of its folder is to be had."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from chromium import CONTRASTS, launched
from convscope.atlas.making import begin_atlas, make_shards, missing_shards
from convscope.atlas.manifest import AtlasManifest
from convscope.atlas.merging import merge_atlas
from convscope.cli import main
from convscope.errors import InputError
from convscope.web.running import Running
from convscope.web.server import serve_atlas
from planted import planted_network


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, network = tmp_path_factory.mktemp("served") / "atlas", planted_network()
    how = {"preset": "default", "shard_units": 8, "size": 32, "steps": 2, "seed": 0}
    manifest = AtlasManifest("planted", network.identity, {"conv1": 8, "conv2": 3}, **how)  # type: ignore[arg-type]
    begin_atlas(network, manifest, folder)
    with ThreadPoolExecutor(1) as pool:
        list(make_shards(folder, missing_shards(manifest, folder), pool))
    merge_atlas(folder, network)
    return folder


@pytest.fixture
def served(atlas: Path) -> Iterator[Running]:
    running = serve_atlas(atlas)
    yield running
    running.stop()


def test_its_files_are_served_and_nothing_else(served: Running, atlas: Path) -> None:
    assert "<title>Atlas" in requests.get(served.address, timeout=60).text
    sheet = next((atlas / "sheets").iterdir())
    assert requests.get(f"{served.address}sheets/{sheet.name}", timeout=60).content == sheet.read_bytes()
    hidden = (
        "work/network.convscope",
        "work%2Fnetwork.convscope",
        "sheets/..%2Fwork/network.convscope",
        "../atlas",
    )
    assert [requests.get(served.address + path, timeout=60).status_code for path in hidden] == [404] * 4
    assert requests.get(served.address, headers={"Host": "evil.example"}, timeout=60).status_code == 421


def test_links_that_lead_out_of_it_are_not_followed(atlas: Path, tmp_path: Path) -> None:
    own = tmp_path / "atlas"
    shutil.copytree(atlas, own)
    (tmp_path / "secret").mkdir()
    for name in ("secret.json", "secret/secret.json"):
        (tmp_path / name).write_text("secret")
    for name, to in (("a.json", "secret.json"), ("links", "secret"), ("sheets/a.json", "secret.json")):
        (own / name).symlink_to(tmp_path / to)
    running = serve_atlas(own)
    try:
        paths = ("a.json", "links/secret.json", "sheets/a.json")
        assert [requests.get(running.address + path, timeout=60).status_code for path in paths] == [404] * 3
        assert requests.get(f"{running.address}atlas.json", timeout=60).status_code == 200
    finally:
        running.stop()


@pytest.mark.browser
@pytest.mark.slow
def test_its_page_works_from_any_file_server_below_a_path(atlas: Path) -> None:
    files = partial(Silent, directory=str(atlas.parent.parent))
    server, wrong = ThreadingHTTPServer(("127.0.0.1", 0), files), list[str]()
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with launched() as browser:
            page = browser.new_page()
            page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            below = f"{atlas.parent.name}/{atlas.name}"
            page.goto(f"http://127.0.0.1:{server.server_port}/{below}/#/conv2:1")
            page.locator("#unit h2", has_text="conv2:1").wait_for()
            painted = "() => [...document.querySelectorAll('#unit img')].some((one) => one.naturalWidth > 0)"
            sheet = (
                "() => performance.getEntriesByType('resource').some(({ name }) => name.includes('/sheets/'))"
            )
            page.wait_for_function(f"() => ({painted})() || ({sheet})()")
        assert [url for url in wrong if "favicon" not in url] == []
    finally:
        server.shutdown()
        server.server_close()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.browser
@pytest.mark.slow
def test_its_page_works_by_keys_and_links(served: Running) -> None:
    with launched() as browser:
        page, said = (
            browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark"),
            list[str](),
        )
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(served.address)
        page.wait_for_function("() => document.querySelectorAll('#grid > *').length === 8")
        for key, address in (
            ("ArrowRight", "#/conv1:0"),
            ("End", "#/conv1:7"),
            ("ArrowLeft", "#/conv1:6"),
            ("]", "#/conv2:2"),
            ("[", "#/conv1:2"),
            ("o", "#/conv1:2"),  # nobody measured photographs
        ):
            page.keyboard.press(key)
            # The page follows its address a moment later: the next key would go from the unit before.
            page.wait_for_function(
                "address => [location.hash, `#/${currentLayer().name}:${unitShown}`].every((one) => one === address)",
                arg=address,
            )
        page.locator("#unit h2", has_text="conv1:2").wait_for()
        page.keyboard.press("/")
        page.keyboard.type("5")
        page.wait_for_function("() => document.querySelectorAll('#grid > :not([hidden])').length === 1")
        page.keyboard.press("Enter")
        page.locator("#unit h2", has_text="conv1:5").wait_for()
        page.keyboard.press("Escape")
        page.wait_for_function("() => document.querySelectorAll('#grid > :not([hidden])').length === 8")
        page.locator("#only").select_option("could not be activated")
        page.wait_for_function("() => location.hash.endsWith('only=could+not+be+activated')")
        page.go_back()
        page.wait_for_function("() => document.querySelector('#only').value === 'all'")
        keys = page.evaluate("KEYS.flatMap(([keys]) => keys)")
        assert len(keys) == len(set(keys)) > 15
        for key in keys:
            page.keyboard.press(key)
            page.keyboard.press("Escape")
        page.keyboard.press("?")
        assert page.locator("#help kbd").count() == len(keys)
        page.keyboard.press("?")
        page.goto(f"{served.address}#conv2:1")  # as links were before
        page.locator("#unit h2", has_text="conv2:1").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert [found for found in page.evaluate(CONTRASTS) if found[0] < 4.5] == []
        page.goto(f"{served.address}#/nowhere:3")
        page.get_by_text("there is no nowhere:3 in this atlas").wait_for()
        assert said == []


def test_what_is_no_atlas_says_so(tmp_path: Path, atlas: Path) -> None:
    with pytest.raises(InputError, match="holds no atlas"):
        serve_atlas(tmp_path)
    (tmp_path / "atlas.json").write_bytes((atlas / "atlas.json").read_bytes())
    with pytest.raises(InputError, match="convscope atlas-merge"):
        serve_atlas(tmp_path)
    found = CliRunner().invoke(main, ["explore", "builtin", "--static", str(atlas)])
    assert found.exit_code == 2
    assert "--static serves an atlas alone, without network" in found.output


@pytest.mark.parametrize("more", [["--json", "-q"], ["-v"]])
def test_the_command_says_where_the_page_is(
    more: list[str], atlas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Running) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Running, "wait", interrupted)
    result = CliRunner().invoke(main, ["explore", "--static", str(atlas), "--no-browser", *more])
    assert result.exit_code == 0, result.output
    if "-q" in more:
        facts = json.loads(result.stdout)
        assert facts.pop("address").startswith("http://127.0.0.1:")
        assert facts == {"shows": f"the atlas in {atlas}", "pictures": [], "notes": []}
        assert result.stderr == ""
    else:
        assert result.stdout.startswith("http://127.0.0.1:")
        assert f"the atlas in {atlas}, on this machine; Ctrl-C ends it" in " ".join(result.stderr.split())
        assert "the page is closed" in result.stderr
