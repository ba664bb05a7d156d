"""The page in a real browser: the right tile lights up, every key works, nothing is broken or fetched elsewhere."""

import base64
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from chromium import CONTRASTS, launched
from convscope import feature_visualization, open_network
from convscope.errors import InputGuess
from convscope.web.recent_networks import remember
from convscope.web.server import Server, serve
from convscope.web.session import Permissions
from planted import plain_picture, planted_files, planted_network

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OUT = Path(__file__).resolve().parents[2] / "out"
HOSTILE = "<img src=x onerror=alert(1)>"
# Each tile's mean brightness: the sheet is read back from its canvas.
TILES = """([rows, columns, count]) => {
  const canvas = document.querySelector('#grid-pane canvas'), context = canvas.getContext('2d');
  const gap = 1, across = (canvas.width + gap) / (columns + gap);
  return Array.from({ length: count }, (_, i) => {
    const left = (i % across) * (columns + gap), top = Math.floor(i / across) * (rows + gap);
    const data = context.getImageData(left, top, columns, rows).data;
    return data.filter((_, at) => at % 4 === 0).reduce((sum, value) => sum + value, 0) / (rows * columns);
  });
}"""


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of one red frame, as Chromium's camera reads it: raw YUV."""
    path = tmp_path_factory.mktemp("camera") / "red.y4m"
    luma, blue, red = (
        np.full(shape, level, np.uint8) for shape, level in ((64 * 64, 81), (32 * 32, 90), (32 * 32, 240))
    )
    frame = b"FRAME\n" + luma.tobytes() + blue.tobytes() + red.tobytes()
    path.write_bytes(b"YUV4MPEG2 W64 H64 F20:1 Ip A1:1 C420jpeg\n" + frame * 4)
    return path


@pytest.fixture(scope="module")
def browser(camera: Path) -> Iterator[Any]:
    media = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
    with launched(*media, f"--use-file-for-fake-video-capture={camera}") as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    network = planted_network(name=HOSTILE, labels=["red", "green", HOSTILE], layer_names={"pool2": HOSTILE})
    made = serve(network, [plain_picture((0.1, 0.9, 0.2)), plain_picture((0.1, 0.2, 0.9))])
    yield made
    made.stop()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """The page, opened; afterwards: nothing went wrong in it, and it asked this server alone."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    opened, said, asked = context.new_page(), list[str](), list[str]()
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    opened.on(
        "response",
        lambda response: response.status >= 400 and said.append(f"{response.status} {response.url}"),
    )
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(f"{server.address}#/conv2:0")
    shown(opened, "conv2: 3 channels of 16")
    yield opened
    context.close()
    assert [words for words in said if "Canvas2D" not in words] == []  # read back by the test alone
    assert all(url.startswith((server.address, "blob:", "data:", "ws://127.0.0.1")) for url in asked)


def shown(page: Any, words: str) -> None:
    page.wait_for_function("words => document.body.innerText.includes(words)", arg=words, timeout=30000)


def only_lit(page: Any, tile: int) -> None:
    """Wait until this of conv2's three tiles is bright and the two others are dark: the sheet follows its labels."""
    condition = (
        "(expected) => (%s)([16, 16, 3]).every((level, at) => at === expected ? level > 200 : level < 60)"
    )
    page.wait_for_function(condition % TILES, arg=tile, timeout=30000)


def test_the_right_tile_lights_up(page: Any) -> None:
    page.keyboard.press("x")  # one scale for all, or a tile of one value would have none
    shown(page, "one scale for all")
    only_lit(page, 1)
    shown(page, "green")
    page.keyboard.press("e")
    page.wait_for_function("() => document.querySelector('.bar .label')?.innerText.includes('img src')")
    only_lit(page, 2)


def test_a_red_camera_lights_the_red_detector(page: Any) -> None:
    page.keyboard.press("x")
    page.keyboard.press("c")
    page.wait_for_function(
        "() => document.querySelector('.bar .label')?.innerText.trim() === 'red'", timeout=30000
    )
    only_lit(page, 0)
    page.keyboard.press(" ")
    shown(page, "frozen")
    page.keyboard.press("c")
    page.wait_for_function("() => !document.body.innerText.includes('pictures a second')")


def test_frames_go_over_a_network_as_files(browser: Any) -> None:
    """A class shares one network; on the server's own machine they go as pixels, which are quicker to read."""
    made = serve(planted_network(labels=["red", "green", "blue"]), host="127.0.0.2")
    context = browser.new_context()
    context.add_init_script("""window.sent = [];
      const { send } = WebSocket.prototype;
      WebSocket.prototype.send = function (what) { window.sent.push(what); send.call(this, what); };""")
    try:
        opened = context.new_page()
        opened.goto(made.address)
        shown(opened, "conv2")
        opened.keyboard.press("c")
        opened.wait_for_function(
            "() => document.querySelector('.bar .label')?.innerText.trim() === 'red'", timeout=30000
        )
        said = [what for what in opened.evaluate("sent") if isinstance(what, str) and "encoding" in what]
        assert all('"encoding":"jpeg"' in what for what in said) and said
        types = opened.evaluate("sent.filter((what) => typeof what !== 'string').map((what) => what.type)")
        assert set(types) == {"image/jpeg"}
    finally:
        context.close()
        made.stop()


def test_a_folder_is_shown_picture_by_picture(page: Any, tmp_path: Path) -> None:
    for name, color in (("1.png", (0.9, 0.1, 0.1)), ("2.png", (0.1, 0.9, 0.1)), ("10.png", (0.1, 0.1, 0.9))):
        Image.fromarray(plain_picture(color)).save(tmp_path / name)
    (tmp_path / "3.png").write_bytes(b"no picture")
    (tmp_path / "words.txt").write_text("none either")
    page.get_by_label("Choose a folder").set_input_files(tmp_path)
    says = """shown => ['.bar .label', '#picture-pane > .caption'].every(
      (name, at) => document.querySelector(name)?.innerText.trim() === shown[at])"""
    for shown_together in (["red", "1.png"], ["green", "2.png"], [HOSTILE, "10.png"]):
        page.wait_for_function(says, arg=shown_together, timeout=30000)
    page.keyboard.press(" ")
    shown(page, "frozen")
    page.keyboard.press("c")
    page.wait_for_function("() => !document.body.innerText.includes('pictures a second')")


# Films a red canvas, and chooses the film as a person would.
FILMED = """async () => {
  const canvas = document.createElement('canvas'), context = canvas.getContext('2d'), parts = [];
  const recorder = new MediaRecorder(canvas.captureStream(), { mimeType: 'video/webm' });
  recorder.ondataavailable = (event) => parts.push(event.data);
  const ended = new Promise((done) => (recorder.onstop = done));
  recorder.start();
  for (let frame = 0; frame < 20; frame++) {
    await new Promise(requestAnimationFrame);
    context.fillStyle = `rgb(${230 + (frame % 2)}, 20, 20)`;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  recorder.stop();
  await ended;
  const chosen = new DataTransfer(), input = document.querySelector('#picture-pane input[accept]');
  chosen.items.add(new File(parts, 'red.webm', { type: 'video/webm' }));
  input.files = chosen.files;
  input.dispatchEvent(new Event('change'));
}"""


def test_a_film_is_shown(page: Any) -> None:
    page.evaluate(FILMED)
    says = "() => document.querySelector('.bar .label')?.innerText.trim() === 'red'"
    page.wait_for_function(says, timeout=30000)
    shown(page, "red.webm")
    page.keyboard.press("c")
    page.wait_for_function("() => !document.body.innerText.includes('pictures a second')")


# A server of jobs inside the page: each unit that is asked for is made at once, of one pixel.
JOBS_AT_ONCE = """{
  const { createObjectURL, revokeObjectURL } = URL, alive = (window.alive = new Set());
  URL.createObjectURL = (...of) => { const url = createObjectURL(...of); alive.add(url); return url; };
  URL.revokeObjectURL = (url) => { alive.delete(url); revokeObjectURL(url); };
  const pixel = Uint8Array.from(atob('PIXEL'), (letter) => letter.charCodeAt(0));
  const message = (header, body = new Uint8Array()) => {
    const words = new TextEncoder().encode(JSON.stringify(header));
    const whole = new Uint8Array(4 + words.length + body.length);
    new DataView(whole.buffer).setUint32(0, words.length, true);
    whole.set(words, 4);
    whole.set(body, 4 + words.length);
    return { data: whole.buffer };
  };
  window.WebSocket = class {
    static OPEN = 1;
    readyState = 1;
    constructor() { queueMicrotask(() => this.onopen?.()); }
    close() {}
    send(order) {
      const { id, addresses } = JSON.parse(order).start ?? {};
      if (!id) return;
      const made = (unit) => message({ job: id, kind: 'picture', unit, final: true, done: 1, of: 1 }, pixel);
      const said = [...addresses.map(made), message({ job: id, kind: 'end' })];
      setTimeout(() => said.forEach((one) => this.onmessage(one)));
    }
  };
}"""


def test_the_page_keeps_a_thousand_pictures_of_units(page: Any) -> None:
    """Those that were asked for longest ago go, with their memory; what is looked at stays."""
    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    page.add_init_script(JOBS_AT_ONCE.replace("PIXEL", base64.b64encode(pixel.getvalue()).decode()))
    page.reload()
    kept = """async () => {
      const { seen, want, isMade, onSeen } = await import('./static/sees.js');
      const units = Array.from({ length: 1060 }, (_, i) => `x:${i}`);
      const made = (unit) => new Promise((done) => {
        onSeen((one) => one === unit && done());
        if (isMade(unit)) done();
      });
      await made('conv2:0'); // the unit pane asks for it by itself, before what else is asked for
      want(units.slice(0, 900), 'atlas');
      await made('x:899');
      const urls = units.slice(0, 60).map((unit) => seen(unit).url);
      want(units.slice(0, 30), 'grid'); // looked at again
      want(units.slice(900), 'atlas');
      await made('x:1059');
      const gone = urls.findIndex((url) => !window.alive.has(url));
      return [gone, units.every(isMade), units.filter(seen).length, window.alive.size];
    }"""
    first_gone, all_made, count, alive = page.evaluate(kept)
    assert (first_gone, all_made) == (30, True)
    assert 990 <= count <= alive <= 1000  # with that of the unit pane


def test_a_picture_is_pasted(page: Any) -> None:
    page.evaluate("""async () => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 32 });
      const given = new DataTransfer();
      Object.assign(canvas.getContext('2d'), { fillStyle: '#f00' }).fillRect(0, 0, 32, 32);
      const blob = await new Promise((done) => canvas.toBlob(done));
      given.items.add(new File([blob], 'a red one.png', { type: 'image/png' }));
      document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: given, bubbles: true }));
    }""")
    page.wait_for_function("() => document.querySelector('.bar .label')?.innerText.trim() === 'red'")
    shown(page, "a red one.png")


def test_a_tile_says_what_its_numbers_are(page: Any) -> None:
    page.locator("#grid-pane canvas").hover(position={"x": 8, "y": 8})
    tip = page.locator("#grid-pane .tip")
    tip.get_by_text("conv2:0 max ").wait_for()
    assert "its highest answer to this picture, at (row, column)" in tip.inner_text()


def test_every_state_is_in_the_address(page: Any, server: Server) -> None:
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.hash.startsWith('#/conv2:1')")
    page.keyboard.press("[")
    shown(page, "pool1: 8 channels of 16")
    page.keyboard.press("3")
    page.wait_for_function("() => location.hash.includes('view=why')")
    page.go_back()
    page.wait_for_function("() => !location.hash.includes('view=why')")
    page.go_back()
    shown(page, "conv2: 3 channels of 16")
    page.goto(f"{server.address}#/conv1:4@3,5?view=unit")
    page.reload()
    page.wait_for_function("() => document.querySelector('#unit h2')?.innerText === 'conv1:4'")


def test_how_it_is_shown_is_in_the_address_too(page: Any, server: Server) -> None:
    for key in ("x", "p", "t", "z", "v", "b", "d", "s", "o"):
        page.keyboard.press(key)
    # Waited for, or this would come after the next key's words, in their place.
    shown(page, "nobody measured what photographs")
    page.keyboard.press("y")
    shown(page, "the link")  # copied, or to be taken from the address bar
    for setting in (
        "scale=shared",
        "palette=viridis",
        "gamma=0.6",
        "zoom=2",
        "overlay=false",
        "backward=saliency",
    ):
        assert setting in page.evaluate("location.hash")
    assert "pinned=conv2%3A0" in page.evaluate("location.hash")
    page.goto("about:blank")
    page.goto(f"{server.address}#/conv2:1?scale=shared&pinned=conv1:2&backward=guided_backprop&palette=none")
    shown(page, "pinned: conv1:2")
    shown(page, "one scale for all")
    assert page.get_by_label("Colors", exact=True).input_value() == "gray"


def test_a_link_to_what_is_not_there_says_so(browser: Any, server: Server) -> None:
    page = browser.new_page()
    for hash_, words in (
        ("#/nowhere:3", "has no layer 'nowhere'"),
        ("#/scores:green", "scores:1 · "),  # a class by its label
        ("#/conv2:99", "conv2 has the channels 0 to 2, and no 99"),
        ("#/conv2:1?picture=0123456789abcdef", "that picture is no longer here"),
        ("#/%zz?units=[1", "has no layer '%zz'"),
    ):
        page.goto("about:blank")
        page.goto(server.address + hash_)
        shown(page, words)
        shown(page, "channels of")  # and the rest is there
    page.context.close()


def test_the_dashed_box_is_what_a_place_sees(page: Any) -> None:
    page.keyboard.press("[")
    page.keyboard.press("[")
    shown(page, "conv1: 8 channels of 32")
    page.mouse.move(*middle_of(page, "#picture-pane .stack"))
    page.wait_for_function("() => location.hash.includes('@16,16')")
    # conv1 is 5 × 5: around (16,16) the dashed box stands at 14 and 19
    drawn = """() => {
      const canvas = [...document.querySelectorAll('#picture-pane .stack canvas')].at(-1);
      const alpha = canvas.getContext('2d').getImageData(0, 0, 32, 32).data.filter((_, at) => at % 4 === 3);
      const rows = Array.from({ length: 32 }, (_, row) => alpha.slice(32 * row, 32 * row + 32).some(Boolean));
      return [rows.indexOf(true), rows.lastIndexOf(true)];
    }"""
    assert page.evaluate(drawn) == [13, 19]
    page.goto(f"{page.url.split('#')[0]}#/conv2:0")
    shown(page, "conv2: 3 channels of 16")
    page.mouse.move(*(at - 4 for at in middle_of(page, "#picture-pane .stack")))
    first = page.locator("#picture-pane .places button").first
    first.and_(page.get_by_label("conv2:1: ")).click()  # the green detector answers most to a green picture
    page.wait_for_function("() => location.hash.startsWith('#/conv2:1')")


def middle_of(page: Any, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2 + 1, box["y"] + box["height"] / 2 + 1


def test_each_key_does_something_and_none_twice(page: Any) -> None:
    keys = page.evaluate("import('./static/keyboard.js').then(m => m.KEYS.flatMap(([keys]) => keys))")
    assert len(keys) == len(set(keys)) > 25
    for key in keys:
        page.keyboard.press("Space" if key == " " else key)
        page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_function("count => document.querySelectorAll('#help kbd').length === count", arg=len(keys))


def test_channels_are_grouped_when_asked(page: Any) -> None:
    page.keyboard.press("n")
    shown(page, "In the whole picture")
    shown(page, "Non-negative factors of conv2: ")
    page.locator("#picture-pane .stack").hover()
    page.wait_for_function("() => /conv2:0@[78],[78]/.test(location.hash)")
    assert page.locator(".group").first.get_by_role("button").first.inner_text() == "1"  # the green detector
    page.get_by_label("Channels of the places").select_option("one by one")
    page.get_by_role("button", name="conv2:1: ").first.wait_for()
    assert "groups" not in page.evaluate("location.hash")


def test_a_unit_is_made_and_kept(page: Any) -> None:
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#unit .big img')?.naturalWidth > 0", timeout=90000)
    page.wait_for_function(
        "() => document.querySelector('#unit').innerText.includes('wants to see: activation')", timeout=120000
    )
    shown(page, "Fed by")


def test_a_slider_changes_the_classes(page: Any) -> None:
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('#unit-pane h2')?.innerText === 'conv2:1'")
    before = page.inner_text("#picture-pane .bar .value")
    # The slider is moved and not let go of: the classes follow, and the whole move is one step back.
    page.locator("#unit-pane input[type=range]").evaluate("""slider => {
      for (const value of ['0.5', '0.25', '0']) {
        slider.value = value;
        slider.dispatchEvent(new Event('input', { bubbles: true }));
      }
      if (!slider.isConnected) throw new Error('it was drawn anew under the hand that moves it');
    }""")
    page.wait_for_function(
        "old => document.querySelector('#picture-pane .bar .value').innerText !== old", arg=before
    )
    shown(page, "conv2:1 × 0")
    page.locator("#unit-pane input[type=range]").dispatch_event("change")
    page.go_back()
    page.wait_for_function("() => !document.body.innerText.includes('unit changed')")
    page.locator("#unit-pane .clamp input").fill("0")
    page.keyboard.press("Enter")
    shown(page, "conv2:1 = 0")
    page.get_by_role("button", name="Undo all").click()
    page.wait_for_function(
        "old => document.querySelector('#picture-pane .bar .value').innerText === old", arg=before
    )


def test_why_shows_a_map_for_each_method(page: Any) -> None:
    page.keyboard.press("3")
    page.wait_for_function("() => document.querySelectorAll('#why .card').length === 4", timeout=90000)
    assert "saliency" in page.inner_text("#why .cards").lower()
    shown(page, "Each map goes to its own largest value")
    pixels = """() => [...document.querySelectorAll('#why .card canvas')].map(
      (canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.join())"""
    own = page.evaluate(pixels)
    page.keyboard.press("x")
    shown(page, "the largest value of all")
    together = page.evaluate(pixels)
    assert (
        sum(one == other for one, other in zip(own, together, strict=True)) == 1
    )  # that with the largest value
    page.keyboard.press("x")
    shown(page, "Each map goes to its own largest value")
    assert page.evaluate(pixels) == own


def test_the_sanity_switch_shuffles_the_weights(page: Any, server: Server) -> None:
    page.goto("about:blank")
    page.goto(f"{server.address}#/conv2:1?view=why&methods=saliency&target=conv2:1&sanity=true")
    page.get_by_text("What it is, and what it is worth").click()
    shown(page, "Saliency of conv2:1")
    assert page.get_by_label("Sanity: shuffle the weights").is_checked()
    page.wait_for_function("() => document.querySelectorAll('#why .card canvas').length === 3", timeout=90000)
    shown(page, "2 layers shuffled, down to conv1: ")
    page.get_by_label("What to explain").fill("red")
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.hash.includes('target=red')")
    # The maps of before stay, dimmed, until there are others.
    page.locator("#why .cards:not(.stale) .card canvas").nth(2).wait_for()
    page.get_by_text("What it is, and what it is worth").click()
    shown(page, "Saliency of the")


def test_a_dream_is_made_while_one_watches(page: Any) -> None:
    page.keyboard.press("4")
    page.get_by_label("size", exact=True).fill("64")
    page.get_by_label("steps, slider").fill("3")
    assert page.get_by_label("steps", exact=True).input_value() == "3"
    page.get_by_label("a film of the steps, too").check()
    page.get_by_role("button", name="Make", exact=True).click()
    page.wait_for_function(
        "() => document.querySelector('#studio .wipe img')?.naturalWidth > 0", timeout=90000
    )
    shown(page, "A dream of")
    page.get_by_text("Save the film, with its recipe").wait_for(state="attached", timeout=90000)
    shown(page, "A film of the steps 1 to ")
    page.get_by_label("size", exact=True).fill("320")
    page.get_by_label("steps", exact=True).fill("900")  # slow enough for another to wait behind it
    for _ in range(2):
        page.get_by_role("button", name="Make", exact=True).click()
    for leave in ("Take out", "Cancel"):
        page.get_by_role("button", name=leave).dispatch_event("click")  # previews move it
    page.wait_for_function("() => document.querySelectorAll('#studio .run').length === 1")


def test_a_picture_dropped_on_the_style_is_the_style(page: Any) -> None:
    page.keyboard.press("4")
    page.get_by_role("button", name="Style", exact=True).click()
    page.get_by_label("Style picture").wait_for()
    painted = page.evaluate("new URLSearchParams(location.hash.split('?')[1]).get('picture')")
    page.evaluate("""async () => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 32 });
      const dataTransfer = new DataTransfer(), blob = await new Promise((done) => canvas.toBlob(done));
      dataTransfer.items.add(new File([blob], 'brushwork.png', { type: 'image/png' }));
      const dropped = new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true });
      document.querySelector('#field-style').dispatchEvent(dropped);
    }""")
    page.wait_for_function(
        "() => document.querySelector('#field-style').selectedOptions[0].innerText === 'brushwork.png'"
    )
    assert page.evaluate("new URLSearchParams(location.hash.split('?')[1]).get('picture')") == painted


def test_a_picture_is_no_style_of_its_own(page: Any) -> None:
    page.keyboard.press("4")
    page.get_by_role("button", name="Style", exact=True).click()
    page.get_by_label("Style picture").wait_for()
    offered = "() => [...document.querySelectorAll('#field-style option')].map((one) => one.value)"
    painted = page.evaluate("new URLSearchParams(location.hash.split('?')[1]).get('picture')")
    others = page.evaluate(offered)
    assert others and painted not in others
    page.evaluate("""async () => {
      const { set, state } = await import('./static/store.js');
      set({ pictures: state.pictures.filter((one) => one.key === state.picture) });
    }""")
    assert page.evaluate(offered) == [""]
    page.get_by_role("button", name="Make", exact=True).click()
    page.get_by_text("drop a painting on the choice of the style picture first").wait_for()


def test_a_dream_that_is_stopped_stays_and_goes_on(page: Any) -> None:
    page.keyboard.press("4")
    page.get_by_label("size", exact=True).fill("320")  # slow enough to be stopped
    page.get_by_role("spinbutton", name="steps").fill("900")
    page.get_by_role("button", name="Make", exact=True).click()
    page.get_by_role("button", name="Stop", exact=True).dispatch_event("click")  # previews move it
    shown(page, "Make goes on from there. A dream of")
    page.get_by_text("Save the picture, with its recipe").wait_for()
    at = int(page.inner_text("#studio").partition("Stopped at step ")[2].split()[0])
    page.get_by_role("button", name="Make", exact=True).click()
    page.get_by_role("button", name="Stop", exact=True).dispatch_event("click")
    page.wait_for_function(
        "at => Number(/Stopped at step (\\d+)/.exec(document.querySelector('#studio').innerText)?.[1]) > at",
        arg=at,
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_it_is_readable_everywhere(browser: Any, server: Server, width: int, theme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=theme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{server.address}#/conv1:2")
    shown(page, "conv1: 8 channels of 32")
    shown(page, "The score with it, less the score")
    shown(page, "Point at a place of the picture for another one")  # the arithmetic is there
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 30
    undefined = "[...document.querySelectorAll('#explore h3')].filter(node => !node.title).map(node => node.innerText)"
    assert page.evaluate(undefined) == []  # each heading says what its numbers are
    assert [found for found in contrasts if found[0] < 4.5] == []
    unnamed = """[...document.querySelectorAll('button, input, select, a, img, canvas[role=img]')].filter(node =>
      !(node.ariaLabel || node.innerText || node.title || node.labels?.length || node.alt !== undefined || node.hidden))
      .map(node => node.outerHTML.slice(0, 80))"""
    assert page.evaluate(unnamed) == []
    OUT.mkdir(exist_ok=True)
    page.screenshot(path=OUT / f"explore-{width}-{theme}.png", full_page=True)
    context.close()


def test_every_step_of_every_tour_leads_somewhere(page: Any) -> None:
    page.wait_for_function("() => document.querySelector('.bar .label')?.innerText.trim() === 'green'")
    page.get_by_role("button", name="Tours").click()
    for lesson in range(1, 6):
        page.get_by_label("Lesson").select_option(str(lesson))
        steps = page.evaluate("number => import('./static/tours.js').then(m => m.stepsOf(number))", lesson)
        assert len(steps) >= 4
        boldest = page.evaluate("import('./static/store.js').then(m => m.state.network.boldest)")
        assert lesson == 2 or any(f"conv1:{boldest}?" in step["link"] for step in steps)
        for number, step in enumerate(steps, 1):
            shown(page, step["title"])
            tour = f"tour={lesson}.{number}"
            page.wait_for_function("tour => location.hash.includes(tour)", arg=tour)
            page.wait_for_function("() => !document.querySelector('#grid-pane .stale')")
            assert not page.locator("#status .error").count()
            if number < len(steps):
                page.get_by_role("link", name="Next").click()
            if step["title"] == "The classes":  # its strongest is under the cursor, and bright
                page.wait_for_function("() => location.hash.includes(':1?')")
                page.wait_for_function(
                    f"() => {{ const lit = ({TILES})([1, 1, 3]); return lit[0] === Math.max(...lit); }}"
                )
    page.wait_for_function("() => document.querySelector('#studio select[aria-label=\\'Style picture\\']')")
    page.go_back()
    shown(page, "Choose a preset, and press Make.")
    page.get_by_role("button", name="End the tour").click()
    page.wait_for_function("() => !location.hash.includes('tour')")


def test_units_that_a_layer_does_not_have_are_not_asked_for(page: Any, server: Server) -> None:
    """A tour's step changes the layer and what is shown of it at once: the channels in view were the last one's."""
    page.goto(f"{server.address}#/conv1:0")
    shown(page, "conv1: 8 channels of 32")
    page.evaluate("""import('./static/store.js').then(
      ({ set }) => set({ layer: 'conv2', channel: 0, sees: true }))""")
    shown(page, "conv2: 3 channels of 16")
    # Made after what was kept was asked for; that nothing was refused is seen in the end.
    page.wait_for_function(
        "() => import('./static/sees.js').then((sees) => sees.isMade('conv2:0'))", timeout=120000
    )


def test_all_of_a_unit_is_to_be_seen(page: Any, server: Server) -> None:
    """What did not fit stood in a further column, outside the page: the arithmetic, on most screens."""
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto(f"{server.address}#/conv2:0?view=unit")
    page.locator("#unit").get_by_text("Point at a place of the picture for another one").wait_for()
    page.wait_for_function("""() => {
      const unit = document.querySelector('#unit');
      return unit.scrollHeight > unit.clientHeight && unit.scrollWidth <= unit.clientWidth;
    }""")


def halves(page: Any) -> list[Any]:
    """Return the two frames of the page, once both show what their network says, and a grid to point at."""
    said = """() => {
      const frames = [...document.querySelectorAll('iframe')];
      const title = (page) => page.querySelector('#grid-pane h2').innerText;
      const painted = (page) => page?.querySelector('#picture-pane .bar') && title(page).includes(' channels of ');
      return frames.length === 2 && frames.every((one) => painted(one.contentDocument));
    }"""
    page.wait_for_function(said, timeout=30000)
    return [frame.content_frame() for frame in page.query_selector_all("iframe")]


def test_two_pictures_side_by_side_share_the_unit_and_the_place(page: Any) -> None:
    page.keyboard.press("6")
    left, right = halves(page)
    assert left.inner_text("#picture-pane .bar .label") != right.inner_text("#picture-pane .bar .label")
    left.locator("#grid-pane .scroll").press("ArrowRight")
    right.wait_for_function("() => location.hash.startsWith('#/conv2:1')")
    right.locator("#picture-pane .stack").hover()
    right.wait_for_function("() => /conv2:1@[78],[78]/.test(location.hash)")
    place = right.evaluate("location.hash.split('?')[0]")
    left.wait_for_function("place => location.hash.startsWith(place)", arg=place)
    page.wait_for_function("place => decodeURIComponent(location.hash).includes(`left=${place}`)", arg=place)
    page.reload()
    assert all(place in frame.evaluate("location.hash") for frame in halves(page))


def test_two_networks_side_by_side_share_the_picture(browser: Any) -> None:
    other = planted_network(name="another", layer_names={"conv2": "twin"})
    pictures = [plain_picture(color) for color in ((0.1, 0.9, 0.2), (0.9, 0.1, 0.1))]
    server = serve(planted_network(), pictures, beside=other)
    page = browser.new_context().new_page()
    page.goto(f"{server.address}#/conv2:0?view=beside")
    left, right = halves(page)
    right.wait_for_function("() => document.querySelector('#name')?.innerText === 'another'")
    assert right.url.startswith(f"{server.address}other/?half#")
    left.locator("#grid-pane .scroll").press("e")
    right.wait_for_function("() => document.querySelector('#picture-pane .bar .label').innerText === 'red'")
    page.get_by_label("the unit", exact=True).check()
    left.locator("#grid-pane .scroll").press("ArrowRight")
    right.wait_for_function("() => document.body.innerText.includes('there is no conv2 in this network')")
    page.context.close()
    server.stop()


def test_a_server_that_ends_and_comes_back(browser: Any) -> None:
    first = serve(planted_network(), [plain_picture((1.0, 0.1, 0.1))])
    port = int(first.address.rstrip("/").rpartition(":")[2])
    page = browser.new_context().new_page()
    page.goto(f"{first.address}#/conv2:0")
    shown(page, "conv2: 3 channels of 16")
    first.stop()
    page.keyboard.press("]")
    shown(page, "the server does not answer")
    second = serve(planted_network(), [plain_picture((1.0, 0.1, 0.1))], port=port)
    page.wait_for_function(  # by itself
        "() => !document.body.innerText.includes('the server does not answer')", timeout=30000
    )
    page.wait_for_function("() => document.querySelector('.bar .label')?.innerText.trim() === 'red'")
    page.context.close()
    second.stop()


def test_a_server_that_is_asked_too_much_is_asked_again(browser: Any, server: Server) -> None:
    """A refusal of a server that others flood was taken for another server's, and the page loaded itself away."""
    page, refused = browser.new_context().new_page(), Counter[str]()
    page.goto(f"{server.address}#/conv2:0")
    shown(page, "conv2: 3 channels of 16")
    page.evaluate("window.same = true")

    def refuse(route: Any) -> None:
        kind = route.request.url.partition("/api/")[2].partition("?")[0]
        refused[kind] += 1
        status = {1: 503, 2: 429}.get(refused[kind])
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, body="Service Unavailable", content_type="text/plain")

    page.route("**/api/grid?**", refuse)
    page.keyboard.press("[")
    shown(page, "pool1: 8 channels of 16")
    assert refused["grid"] == 3 and page.evaluate("window.same")
    page.unroute("**/api/grid?**")
    page.route("**/api/grid?**", lambda route: route.fulfill(status=401, body="the token is another\n"))
    page.keyboard.press("[")
    page.locator("#status .error", has_text="the token is another").wait_for()
    assert page.evaluate("window.same")
    page.context.close()


def test_without_a_camera_the_page_says_why(browser: Any, server: Server) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("""const { getUserMedia } = navigator.mediaDevices;
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        if (window.refusal) throw new DOMException('no', window.refusal);
        return (window.stream = await getUserMedia.call(navigator.mediaDevices, wanted));
      };""")
    page.goto(f"{server.address}#/conv2:0")
    shown(page, "conv2: 3 channels of 16")
    for name, words in (
        ("NotAllowedError", "it is not allowed: allow it"),
        ("NotFoundError", "the browser finds none"),
        ("NotReadableError", "another program has it"),
    ):
        page.evaluate("name => (window.refusal = name)", name)
        page.keyboard.press("c")
        page.locator("#status .error", has_text=words).wait_for()
    page.evaluate("window.refusal = null")
    page.keyboard.press("c")
    page.wait_for_function("() => document.querySelector('.bar .label')?.innerText.trim() === 'red'")
    # As the browser tells a page whose camera was unplugged.
    page.evaluate("window.stream.getTracks()[0].dispatchEvent(new Event('ended'))")
    page.locator("#status .error", has_text="the camera has gone").wait_for()
    assert "pictures a second" not in page.inner_text("#status")
    page.keyboard.press("c")  # again
    shown(page, "pictures a second")
    context.close()


def test_a_network_without_classes_explains_its_units_and_says_what_pictures_it_takes(browser: Any) -> None:
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(13, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 6, 3)
    with pytest.warns(InputGuess):
        network = open_network(torch.nn.Sequential(*layers), input_shape=(1, 13, 24, 24))
    server = serve(network)
    page = browser.new_context().new_page()
    page.goto(server.address)
    page.get_by_role("button", name="coffee").click()
    page.locator("#status .error", has_text="pictures of 13 channels").wait_for()
    bands = np.random.default_rng(0).integers(0, 255, (24, 24, 13), np.uint8)
    key = server.session.pictures.add(bands)
    page.goto("about:blank")
    page.goto(f"{server.address}#/0:2?view=why&methods=saliency&picture={key}")
    page.get_by_text("What it is, and what it is worth").click()
    shown(page, "Saliency of 0:2")
    page.context.close()
    server.stop()


def test_a_page_that_only_shows_says_so_and_has_what_was_made_before(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))  # another test's may have more
    network = open_network(planted_files(tmp_path))
    feature_visualization(network, "conv2:0", progress=False)
    server = serve(network, [plain_picture((0.1, 0.9, 0.2))], permissions=Permissions(read_only=True))
    page = browser.new_context().new_page()
    for view in ("unit", "why", "studio"):
        page.goto("about:blank")
        page.goto(f"{server.address}#/conv2:1?view={view}")
        page.locator(f"#{view}").get_by_text("This page only shows: nothing is made here.").wait_for()
    assert page.get_by_role("button", name="Make", exact=True).is_disabled()
    page.goto(f"{server.address}#/conv2:0?view=unit")
    page.locator("#unit").get_by_role("img", name="What conv2:0 wants to see").wait_for()
    page.keyboard.press("5")
    page.locator("#atlas").get_by_text("conv2: 1 of 3 are made").wait_for()
    page.context.close()
    server.stop()


class TwoInputs(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = (torch.nn.Conv2d(3, 4, 3) for _ in range(2))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.left(x).relu() + self.right(y).relu()


def test_a_network_that_takes_no_picture_says_why_and_shows_what_reads_what(browser: Any) -> None:
    shapes = {"x": (1, 3, 16, 16), "y": (1, 3, 16, 16)}
    server = serve(open_network(TwoInputs(), input_shape=shapes), [plain_picture((0.1, 0.9, 0.2))])
    page, refused = browser.new_context().new_page(), list[str]()
    page.on("response", lambda answer: answer.status >= 400 and refused.append(answer.url))
    page.goto(f"{server.address}#/left:1?picture={server.session.pictures.pinned()[0]}")
    shown(page, "TwoInputs takes no picture")
    shown(page, "which no picture fits alone")
    page.keyboard.press("c")
    page.locator("#status .error", has_text="which no picture fits alone").wait_for()
    page.keyboard.press("2")
    shown(page, "Fed by (red excites, blue inhibits)")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.hash.startsWith('#/left:2')")  # keys wait for no answer
    unmade = page.locator("#unit p.error", has_text="which no picture fits alone")
    unmade.wait_for()  # not "being made" for ever
    assert refused == []
    page.context.close()
    server.stop()


def test_the_start_screen_asks_for_a_picture(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path))
    remember(HOSTILE, "timm:resnet18", {})
    server = serve(planted_network())
    page = browser.new_context().new_page()
    page.goto(server.address)
    shown(page, "What does planted see?")
    page.get_by_label("Another network").locator("visible=true").fill("my net's.onnx")
    shown(page, """convscope explore 'my net'"'"'s.onnx'""")
    page.get_by_label("Another network").locator("visible=true").fill("")
    shown(page, f"{HOSTILE}\nconvscope explore timm:resnet18")  # as text
    page.get_by_role("button", name="Copy the command").click()
    page.wait_for_function(
        "() => /copied|lets no page copy/.test(document.querySelector('#status').innerText)"
    )
    page.get_by_role("button", name="coffee").click()
    page.wait_for_function("() => document.querySelector('#grid-pane h2')?.innerText.includes('channels')")
    page.context.close()
    server.stop()


def test_a_page_whose_server_was_started_anew_shows_the_new_ones_network(browser: Any) -> None:
    """At the same port: the old page's layers and names would stand over the new network's numbers."""
    picture = plain_picture((0.1, 0.9, 0.2))
    first = serve(planted_network(name="the first"), [picture])
    address, opened = first.address, browser.new_context().new_page()
    opened.goto(f"{address}#/conv2:0")
    shown(opened, "the first")
    shown(opened, "conv2: 3 channels of 16")
    first.stop()
    second = serve(
        planted_network(name="the second"), [picture], port=int(address.rstrip("/").split(":")[-1])
    )
    try:
        assert second.address == address
        opened.keyboard.press("ArrowRight")
        shown(opened, "the second")
        assert "#/conv2" in opened.evaluate("location.hash")
    finally:
        opened.context.close()
        second.stop()


def test_of_thousands_of_channels_those_in_view_are_painted(browser: Any) -> None:
    conv = torch.nn.Conv2d(3, 3000, 4, 4, bias=False)
    torch.nn.init.zeros_(conv.weight)
    conv.weight.data[2345] = 1.0
    network = open_network(torch.nn.Sequential(conv), input_shape=(1, 3, 32, 32))
    served = serve(network, [plain_picture((0.9, 0.9, 0.9))])
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    name = next(reversed(network.layers))
    page.goto(f"{served.address}#/{name}:2345?scale=shared")
    shown(page, "3000 channels of 8")
    lit = """() => {
      const [canvas, cursor] = ['canvas', '.cursor'].map((name) => document.querySelector(`#grid-pane ${name}`));
      const [at, from] = [cursor, canvas].map((one) => one.getBoundingClientRect()), scale = from.width / canvas.width;
      const place = [at.x + at.width / 2 - from.x, at.y + at.height / 2 - from.y].map((one) => Math.floor(one / scale));
      return canvas.getContext('2d').getImageData(...place, 1, 1).data[0] / 255;
    }"""
    page.wait_for_function(f"() => ({lit})() === 1")
    assert page.evaluate("document.querySelector('#grid-pane canvas').height") < 1000  # not the whole sheet
    cursor = page.locator("#grid-pane .cursor").bounding_box()
    middle = cursor["x"] + cursor["width"] / 2, cursor["y"] + cursor["height"] / 2
    page.mouse.click(middle[0] - cursor["width"], middle[1])
    page.wait_for_function("() => location.hash.includes(':2344')")
    page.wait_for_function(f"() => ({lit})() === 0")
    page.keyboard.press("5")
    page.wait_for_function("() => document.querySelectorAll('#atlas [data-unit]').length >= 240")
    page.wait_for_function("""() => {
      const section = document.querySelector('#atlas');
      section.scrollTop = section.scrollHeight;
      return section.querySelector('[data-unit$=":2999"]');
    }""")
    page.context.close()
    served.stop()


def test_the_brush_covers_what_was_painted_and_nothing_else(browser: Any) -> None:
    """The network cuts a crop out of each picture, and a box marks the place: neither may change what is covered."""
    network = open_network(
        torch.nn.Conv2d(3, 2, 3), input_shape=(1, 3, 64, 64), resize="shorter_side", resize_size=81
    )
    served = serve(network, ["chelsea"])
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.goto(served.address)
    shown(page, "2 channels of 62")
    first = served.session.pictures.pinned()[0]
    page.get_by_label("Brush: cover a part").select_option("occlude")
    page.wait_for_function("() => document.body.dataset.brush === 'ready'")
    grid = "import('./static/store.js').then(({ state }) => (window.state = state) && [...state.grid.high].join())"
    old = page.evaluate(grid)
    page.mouse.move(*middle_of(page, "#picture-pane .stack"))
    page.mouse.down()
    page.wait_for_function("old => [...window.state.grid.high].join() !== old", arg=old)  # while one paints
    painted = page.evaluate(grid)
    assert first in page.evaluate("location.hash")
    page.mouse.up()
    page.wait_for_function("first => !location.hash.includes(first)", arg=first)
    page.wait_for_function("() => document.body.dataset.brush === 'ready'")
    page.wait_for_function("() => !document.querySelector('#grid-pane .stale')")
    assert page.evaluate(grid) == painted  # the same frame, by the other way
    second = page.evaluate("new URLSearchParams(location.hash.split('?')[1]).get('picture')")
    before, after = (served.session.seen(key).astype(int) for key in (first, second))
    changed, (rows, columns) = np.abs(after - before).max(2) > 1, np.indices((64, 64))
    distance = np.hypot(rows - 31.5, columns - 31.5)
    radius = 64 / 14
    assert changed[distance < radius - 2].mean() > 0.9
    assert not changed[distance > radius + 3].any()
    np.testing.assert_allclose(after[32, 32], before.mean((0, 1)), atol=2)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("first => location.hash.includes(first)", arg=first)
    page.context.close()
    served.stop()
