"""The report in a real browser: nothing fetched, nothing broken, readable on a phone, at night and on paper."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chromium import CONTRASTS, launched
from convscope.formats.opening import open_network
from convscope.report import QUICK, ReportOptions, make_report
from planted import edge_picture, planted_network

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FAST = ReportOptions(sections=QUICK)
OUT = Path(__file__).resolve().parents[2] / "out"
LONG = "a_very_long_name_" * 30


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as opened:
        yield opened


@pytest.fixture(scope="module")
def planted_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = planted_network(
        name=f"<script>alert(1)</script> {LONG}",
        labels=["<img src=x onerror=alert(1)>", LONG, "\u202eקוד עברי"],
        layer_names={"conv1": LONG, "conv2": "</style><script>alert(2)</script>"},
    )
    path = tmp_path_factory.mktemp("report") / "planted.html"
    path.write_text(make_report(network, edge_picture(), FAST), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def googlenet_page(shared_data: Path) -> Path:
    OUT.mkdir(exist_ok=True)
    path = OUT / "googlenet-cat.html"
    network = open_network(shared_data / "caffe/bvlc_googlenet")
    path.write_text(make_report(network, shared_data / "pictures/cat.jpg", FAST), encoding="utf-8")
    return path


class Visit:
    """A page opened in one size and theme, and all that went wrong or out meanwhile."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, theme: str = "light") -> None:
        size = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.fixture(params=["planted_page", "googlenet_page"])
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_is_whole(browser: Any, path: Path, width: int, theme: str) -> None:
    with Visit(browser, path, width, theme) as visit:
        page = visit.page
        assert page.evaluate("document.images.length") > 8
        widths = page.evaluate(
            "Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))"
        )
        assert min(widths) > 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = page.evaluate("[...document.images].map(i => i.getBoundingClientRect().right)")
        scrolled = page.evaluate("[...document.images].map(i => !!i.closest('.journey, .scrolled, .tree'))")
        assert all(right <= width for right, inside in zip(boxes, scrolled, strict=True) if not inside)
        OUT.mkdir(exist_ok=True)
        page.screenshot(path=OUT / f"{path.stem}-{width}-{theme}.png", full_page=True)
        assert visit.said == []
        assert [url for url in visit.asked if not url.startswith("data:")] == [path.as_uri()]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_can_be_read(browser: Any, path: Path, theme: str) -> None:
    with Visit(browser, path, 1280, theme) as visit:
        contrasts = visit.page.evaluate(CONTRASTS)
        assert len(contrasts) > 60
        assert [found for found in contrasts if found[0] < 4.5] == []


def test_the_themes_have_their_own_pictures(browser: Any, planted_page: Path) -> None:
    shown = []
    for theme in ("light", "dark"):
        with Visit(browser, planted_page, 1280, theme) as visit:
            shown.append(
                visit.page.evaluate(
                    "[...document.querySelectorAll('.plate:not(.made) img')].map(i => i.currentSrc)"
                )
            )
            ground = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (int(ground.strip("rgb()").split(",")[0]) < 60) == (theme == "dark")
    assert len(shown[0]) == len(shown[1]) > 5
    assert all(day != night for day, night in zip(*shown, strict=True))


def test_tables_scroll_in_their_own_box_and_links_lead_somewhere(browser: Any, planted_page: Path) -> None:
    with Visit(browser, planted_page, 390) as visit:
        page = visit.page
        assert page.evaluate("(b => b.scrollWidth > b.clientWidth)(document.querySelector('.tall'))")
        page.click("nav a[href='#layers']")
        assert abs(page.evaluate("document.querySelector('#layers').getBoundingClientRect().top")) < 60


def test_on_a_phone_the_tree_of_relevance_scrolls_and_is_read(browser: Any, planted_page: Path) -> None:
    with Visit(browser, planted_page, 390) as visit:
        visit.page.evaluate(
            "document.querySelector('.plate.made').classList.add('tree')"
        )  # this page has none
        image, box = visit.page.evaluate(
            "(i => [i.width, i.closest('picture').clientWidth])(document.querySelector('.tree img'))"
        )
        assert image > 800 > 390 > box
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_prints(browser: Any, path: Path) -> None:
    with Visit(browser, path) as visit:
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate("getComputedStyle(document.querySelector('.contents')).display") == "none"
        assert visit.page.evaluate("getComputedStyle(document.querySelector('.tall')).maxHeight") == "none"
        printed = visit.page.pdf(path=OUT / f"{path.stem}.pdf", prefer_css_page_size=True)
        assert (
            printed.count(b"/Type /Page\n") + printed.count(b"/Type/Page\n") + printed.count(b"/Type /Page/")
            >= 3
        )
