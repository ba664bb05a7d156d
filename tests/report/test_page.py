"""The report as text: everything is in it, nothing is outside it, and strangers' names are only text."""

import base64
import html
import html.parser
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

import convscope
from convscope.cli import main
from convscope.errors import InputError
from convscope.formats.opening import open_network
from convscope.network.network import Network
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture
from convscope.report import QUICK, SECTIONS, Report, ReportOptions, make_report
from convscope.report import content as content_module
from convscope.report import page as page_module
from convscope.report.content import Content, begin
from convscope.report.context import ReportContext
from convscope.rerunning import rerun
from planted import edge_picture, planted_files, planted_network

HOSTILE = "<script>alert(1)</script>\"'&"
LONG = "long" * 400
RIGHT_TO_LEFT = "\u202eקוד עברי"


class Elements(html.parser.HTMLParser):
    """Every element's name and attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


LOOKS = ("predictions", "filters", "activations", "values")  # the others have tests of their own


def report_of(network: Network, picture: object, **options: Any) -> Report:
    notes, progress = options.pop("notes", ()), options.pop("progress", lambda *_: None)
    given = ReportOptions(**{"sections": LOOKS} | options)
    return make_report(network, picture, given, notes=notes, progress=progress)


@pytest.fixture(scope="module")
def page() -> str:
    return report_of(planted_network(), edge_picture())


def test_every_section_is_there_and_in_the_contents(page: str) -> None:
    elements = Elements(page)
    targets = {attributes.get("id") for _, attributes in elements.elements}
    links = {link["href"] for link in elements.all("a")}
    sections = ["input", "predictions", "layers", "filters", "activations", "values", "recipe"]
    assert {f"#{name}" for name in [*sections, "top", "stage-1", "stage-2"]} <= links
    assert links <= {f"#{target}" for target in targets}


def test_every_picture_has_words_for_those_who_do_not_see_it(page: str) -> None:
    images = Elements(page).all("img")
    assert len(images) >= 12
    assert all(image.get("alt") for image in images)
    captions = re.findall(r"<figcaption>(.*?)<", page, re.DOTALL)
    assert len(captions) >= 9
    assert any("each tile scaled to its own range" in caption for caption in captions)
    assert any("one scale for the whole sheet" in caption for caption in captions)


def test_nothing_is_fetched_and_nothing_runs(page: str) -> None:
    elements = Elements(page)
    for tag, attributes in elements.elements:
        assert tag not in {"script", "iframe", "object", "embed", "form", "base"}
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "srcset", "href", "data", "action"):
            address = attributes.get(name)
            assert address is None or address.startswith(("#", "data:image/", "data:,"))
    assert "url(" not in page and "@import" not in page
    (policy,) = (meta["content"] for meta in elements.all("meta") if meta.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_every_picture_decodes_and_plates_come_in_two_themes(page: str) -> None:
    addresses = re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", page)
    pictures = [Image.open(io.BytesIO(base64.b64decode(address))) for address in addresses]
    for picture in pictures:
        picture.load()
        assert min(picture.size) >= 24
    dark = re.findall(
        r'<source media="\(prefers-color-scheme: dark\)" srcset="data:image/webp;base64,([^"]+)"', page
    )
    light = re.findall(r'</?source[^>]*>\s*<img src="data:image/webp;base64,([^"]+)"', page)
    assert len(dark) == len(light) >= 8
    for night, day in zip(dark, light, strict=True):
        first, second = (np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in (night, day))
        assert first[0, 0].max() < 60 and second[0, 0].min() > 200


def test_a_picture_saved_from_the_page_can_be_made_again(tmp_path: Path) -> None:
    folder = planted_files(tmp_path / "network")
    Picture(edge_picture()).save(tmp_path / "edge.png")
    page = report_of(open_network(folder), tmp_path / "edge.png")
    saved = tmp_path / "saved.webp"
    made = re.findall(r'<img src="data:image/webp;base64,([^"]+)" alt="What channels of', page)
    assert len(made) == 2
    for address in made:
        saved.write_bytes(base64.b64decode(address))
        again = rerun(saved)
        assert again.encode("WEBP") == saved.read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:the losses did not become smaller"
)  # a picture of two colors has no style to gain
def test_every_plate_tells_the_command_that_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = planted_files(tmp_path / "a network")
    Picture(edge_picture()).save("the edge.png")
    network = open_network(folder, mean=(0.1, 0.2, 0.3), channel_order="BGR")
    page = report_of(network, "the edge.png", sections=SECTIONS, style="the edge.png")
    figures = re.findall(r'<figure class="plate.*?</figure>', page, re.DOTALL)
    plates = [
        (re.findall(r'<img src="data:image/webp;base64,([^"]+)"', figure)[0], command)
        for figure in figures
        for command in re.findall(r"<code>(convscope [^<]*)</code>", figure)
    ]
    assert sum('src="data:image/jpeg' in figure for figure in figures) == 6  # the style; the picture, lit
    assert len(plates) == len(figures) - 6 >= 19
    for content, command in plates:
        words = shlex.split(html.unescape(command))[1:]
        words += [] if "classify" in words else ["-o", "again.png"]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        written = result.stdout.splitlines()[-1]
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        np.testing.assert_array_equal(np.asarray(Image.open(written).convert("RGB")), shown)


def test_the_same_report_is_the_same_page(page: str) -> None:
    assert report_of(planted_network(), edge_picture()) == page


def test_what_strangers_named_is_only_text() -> None:
    network = planted_network(
        name=HOSTILE,
        labels=[HOSTILE, LONG, RIGHT_TO_LEFT],
        layer_names={"conv1": HOSTILE + "1", "conv2": LONG, "pool1": RIGHT_TO_LEFT, "scores": "{{ 7 * 7 }}"},
    )
    page = report_of(network, edge_picture())
    elements = Elements(page)
    assert "<script" not in page
    assert not elements.all("script")
    assert HOSTILE + "1" in elements.text and LONG in elements.text and RIGHT_TO_LEFT in elements.text
    assert "{{ 7 * 7 }}" in elements.text


def test_a_hostile_file_name_is_only_text(tmp_path: Path) -> None:
    path = tmp_path / "\"><img src=x onerror=alert(1)>'.png"
    Picture(edge_picture()).save(path)
    elements = Elements(report_of(planted_network(), path))
    assert path.name in elements.text
    assert not any("onerror" in image for image in elements.all("img"))


def test_guesses_are_marked() -> None:
    network = planted_network()
    marked = re.findall(r"<mark>(.*?)</mark>", report_of(network, edge_picture()))
    assert marked and all(reason.startswith("guess") for reason in marked)
    assert network.input_spec is not None
    known = dict.fromkeys(
        ("channel_order", "layout", "raw_scale", "mean", "input_scale", "resize", "crops"), "you"
    )
    spec = network.input_spec.replace(provenance={"size": "input shape", **known})
    network = replace(network, input_spec=spec)
    assert "<mark>" not in report_of(network, edge_picture())


def test_notes_stand_before_everything_else() -> None:
    page = report_of(planted_network(), edge_picture(), notes=["the parameters are random <b>"])
    assert "the parameters are random &lt;b&gt;" in page[page.index("<h1>") : page.index("As given")]


def test_the_command_makes_the_same_page() -> None:
    page = report_of(planted_network(), edge_picture(), everything=True, top=2)
    assert (
        "convscope.make_report(network, picture, convscope.ReportOptions(top=2, everything=True, sections=("
        in page
    )


def test_the_frame_is_what_the_crop_keeps() -> None:
    network = planted_network()
    assert network.input_spec is not None
    network = replace(network, input_spec=network.input_spec.replace(resize="shorter_side", resize_size=64))
    page = report_of(network, np.zeros((100, 200, 3), np.uint8))
    (frame,) = re.findall(
        r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/>\s*</svg>', page
    )
    assert [float(number) for number in frame] == pytest.approx([37.5, 25, 25, 50])  # 128 x 64 to 32 x 32


def test_all_layers_are_shown_when_asked(page: str) -> None:
    everything = report_of(planted_network(), edge_picture(), everything=True)
    for layer in ("conv1", "pool1", "conv2"):
        assert f"What channels of {layer} answer" in everything
    assert "What channels of pool1 answer" not in page


def test_progress_counts_to_its_end() -> None:
    seen: list[tuple[int, int]] = []
    report_of(
        planted_network(), edge_picture(), progress=lambda done, total, section: seen.append((done, total))
    )
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[-1][0] == seen[-1][1] == len(seen)


def test_the_recipe_names_versions_and_hashes(tmp_path: Path) -> None:
    network = open_network(planted_files(tmp_path))
    text = Elements(report_of(network, edge_picture())).text
    assert network.sha256 in text
    assert open_photograph(edge_picture()).sha256 in text
    assert '"torch":' in text


@pytest.mark.slow
def test_googlenets_report_is_of_reasonable_size(shared_data: Path) -> None:
    page = report_of(open_network(shared_data / "caffe/bvlc_googlenet"), shared_data / "pictures/cat.jpg")
    assert len(page) < 8_000_000
    text = Elements(page).text
    assert "tiger cat" in text and "37.6%" in text and "1.6 billion" in text


def test_a_network_opened_with_what_was_in_memory_has_a_report(tmp_path: Path) -> None:
    folder = planted_files(tmp_path / "planted")
    mean = np.zeros((3, 32, 32), np.float32)
    network = open_network(folder, labels=folder / "labels.txt", mean=mean, antialias=False)
    assert network.input_spec is not None
    network = replace(network, input_spec=network.input_spec.replace(raw_scale=1.0, because="scale (1).npy"))
    page = report_of(network, edge_picture())
    assert "scale (1).npy" in page
    assert "convscope.activations(network, picture, " in html.unescape(page)


@pytest.mark.slow
def test_what_units_want_to_see_beside_where_they_find_it(tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    page = report_of(
        open_network("builtin"),
        "coffee",
        sections=("features",),
        progress=lambda *told: seen.append(told),
    )
    text = Elements(page).text
    assert "What it wants to see" in text and "activation" in text
    found = re.findall(r'<img src="data:image/webp;base64,([^"]+)" alt="What espresso wants', page)
    assert len(found) == 1
    (tmp_path / "saved.webp").write_bytes(base64.b64decode(found[0]))
    assert rerun(tmp_path / "saved.webp").encode("WEBP") == base64.b64decode(found[0])
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert {section for _, _, section in seen} == {"What it wants to see"}


def test_ctrl_c_keeps_the_sections_that_are_made_and_says_what_is_missing() -> None:
    def pressed(done: int, total: int, section: str) -> None:
        if section == "What it finds":
            raise KeyboardInterrupt

    page = report_of(planted_network(), edge_picture(), progress=pressed)
    assert page.missing == ("What it finds", "What it concludes")
    text = " ".join(Elements(page).text.split())
    assert "Stopped by Ctrl-C: not whole, or not here: What it finds, What it concludes." in text
    assert "The filters of conv1" in page and "What channels of" not in page

    def at_once(done: int, total: int, section: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report_of(planted_network(), edge_picture(), sections=("activations",), progress=at_once)


def test_a_section_that_cannot_be_made_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_filters(_: ReportContext, __: object) -> Iterator[object]:
        raise InputError("no <filter> can be seen")
        yield

    sections = tuple(
        replace(one, make=no_filters) if one.name == "filters" else one for one in content_module._ALL
    )
    monkeypatch.setattr(content_module, "_ALL", sections)
    with pytest.warns(match="What it looks for: no <filter> can be seen"):
        page = report_of(planted_network(), edge_picture())
    text = " ".join(Elements(page).text.split())
    assert (
        "What it looks for: not whole, or not here, as it could not be made: no <filter> can be seen" in text
    )
    assert "What channels of" in page and not page.missing
    with pytest.warns(), pytest.raises(InputError, match="no <filter>"):  # nothing else would be on it
        report_of(planted_network(), edge_picture(), sections=("filters",))


def test_whatever_ctrl_c_leaves_is_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    network = planted_network()
    options = ReportOptions(sections=(*LOOKS, "evidence"))
    context = ReportContext(network, open_photograph(edge_picture()), options)
    whole = begin(context)
    page_module.gather(context, whole, lambda *_: None)
    assert not whole.missing
    count = sum(map(len, whole.found.values()))
    assert count >= 10
    for kept in range(1, count):
        found, room = {}, kept
        for name, items in whole.found.items():
            found[name] = items[:room]
            room = max(0, room - len(items))

        def stopped(_: ReportContext, content: Content, __: object, found: Any = found) -> None:
            content.found.update(found)
            content.missing[:] = ["the rest"]

        monkeypatch.setattr(page_module, "gather", stopped)
        text = Elements(make_report(network, edge_picture(), options, progress=False)).text
        assert "Stopped by Ctrl-C" in text and "The layers" in text


def test_for_what_is_in_memory_there_are_lines_of_python() -> None:
    network = planted_network()
    page = report_of(network, edge_picture(), sections=SECTIONS, style="conv1:0")
    lines = [html.unescape(line) for line in re.findall(r"<code>(convscope[^<]*[])])</code>", page)]
    assert len(lines) > 12 and all(line.startswith("convscope.") for line in lines)
    names = {"convscope": convscope, "network": network, "picture": edge_picture()}
    for line in lines:
        assert hasattr(eval(line, names), "save"), line


def test_a_report_is_saved_and_shows_itself(tmp_path: Path) -> None:
    page = report_of(planted_network(), edge_picture(), sections=("filters",))
    assert page.save(tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert "<iframe srcdoc=" in page._repr_html_() and "<h1>" not in page._repr_html_()
    assert repr(page) == f"Report({len(page):,} characters; save() writes it)"


def test_why_there_is_no_evidence_is_told_once() -> None:
    class Paints(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.out = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.out(self.conv(x).relu()).sigmoid()
            return found

    network = open_network(Paints().eval(), input_shape=(1, 3, 24, 24))
    page = make_report(network, edge_picture(), ReportOptions(sections=("evidence",)), progress=False)
    assert page.count("is no classifier; its outputs are") == 1


EXPLAINED = {
    "a map of classes": (nn.Conv2d(4, 6, 1), nn.Upsample(scale_factor=2.0)),
    "an embedding": (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 24), nn.LayerNorm(24)),
}


@pytest.mark.parametrize("kind", EXPLAINED)
def test_without_classes_the_evidence_is_for_the_largest_or_the_strongest(kind: str) -> None:
    torch.manual_seed(1)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), *EXPLAINED[kind]).eval()
    network = open_network(module, input_shape=(1, 3, 24, 24))
    with torch.no_grad():
        answered = module(network.preprocess(edge_picture()))[0]
    flat = answered.abs() if answered.dim() == 1 else answered.argmax(0).flatten().bincount(minlength=6)
    target = f"{len(module) - 1}:{int(flat.argmax())}"
    page = report_of(network, edge_picture(), sections=QUICK)
    assert f"Which parts of the picture {target} rests on" in page
    assert f"convscope.grad_cam(network, picture, &#39;{target}&#39;, bare=True)" in page
    shown = page[page.index('id="evidence"') :].split("<picture>")[1]
    encoded = str(re.findall(r'src="data:image/webp;base64,([^"]*)', shown)[0])
    expected = convscope.grad_cam(network, edge_picture(), target, bare=True).array
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))), expected)


class _TwoHeads(nn.Module):
    """A detector's: both heads end by themselves, behind maps of two sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)
        self.small, self.large = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.first(x).relu()
        return self.small(self.second(maps).relu()), self.large(maps)


@pytest.mark.filterwarnings("ignore::convscope.ConvscopeWarning")
def test_what_branches_end_in_follows_no_arrow(page: str) -> None:
    network = convscope.open_network(_TwoHeads().eval(), input_shape=(1, 3, 16, 16))
    of_heads = report_of(network, edge_picture(), sections=("activations",))
    journey = of_heads[of_heads.index('<section class="journey"') :].partition("</section>")[0]
    kinds = re.findall(r'<li(?: class="?(\w*)"?)?>', journey)
    assert kinds == ["leads", "leads", "", "branch", "branch"]
    assert "behind the line" in journey
    assert "class=branch" not in page and "behind the line" not in page


def test_a_page_says_which_output_tells_classes_and_whether_they_add_up() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.age = nn.Conv2d(3, 4, 3, 2), nn.Linear(4, 1)
            self.tags = nn.Linear(4, 6)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            pooled = self.features(x).relu().mean((2, 3))
            return {"age": self.age(pooled), "tags": self.tags(pooled).sigmoid()}

    network = open_network(Heads(), input_shape=(1, 3, 16, 16))
    text = " ".join(Elements(report_of(network, edge_picture(), sections=("predictions",))).text.split())
    assert "age: numbers, 1" in text and "tags: 6 classes" in text
    assert "each class it knows (tags). Each of the 6 is asked by itself" in text
    assert "add up to" not in text


@pytest.mark.filterwarnings("ignore::convscope.ConvscopeWarning")
def test_a_page_says_what_the_other_inputs_got(tmp_path: Path) -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, 2)

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return (self.conv(left) - self.conv(right)).abs().mean((1, 2, 3))

    shapes = {"left": (1, 3, 16, 16), "right": (1, 3, 16, 16)}
    for value, words in ((0.5, "0.5"), (np.zeros((1, 3, 16, 16), np.float32), "numbers, 1 × 3 × 16 × 16")):
        network = open_network(Pair(), input_shape=shapes, inputs={"right": value})
        page = report_of(network, edge_picture(), sections=("filters",))
        assert f'<th scope="row">input right</th><td>{words}</td><td>you</td>' in page


_HEAD = (nn.Flatten(), nn.Linear(5, 3))
NUMBERS: dict[str, tuple[tuple[int, ...], tuple[nn.Module, ...], list[str], str]] = {
    "signal": (
        (2, 40),
        (nn.Conv1d(2, 6, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 5, 2), nn.AdaptiveAvgPool1d(1), *_HEAD),
        ["38 positions", "18 positions"],
        "what it wants to see, what it dreams",
    ),
    "volume": (
        (1, 5, 9, 7),
        (nn.Conv3d(1, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), *_HEAD),
        ["5 × 9 × 7 positions"],
        "what it wants to see, what it dreams",
    ),
    "vector": (
        (5,),
        (
            nn.Unflatten(1, (5, 1, 1)),
            nn.ConvTranspose2d(5, 4, 4),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 3, 4, 2, 1),
        ),
        ["4 × 4 positions", "8 × 8 positions"],
        "where the evidence lies, what it wants to see, what it dreams",
    ),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_network_that_reads_no_pictures_has_a_page_of_its_numbers(kind: str, tmp_path: Path) -> None:
    shape, layers, stages, left_out = NUMBERS[kind]
    network = open_network(nn.Sequential(*layers).eval(), input_shape=(1, *shape))
    numbers = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    np.save(tmp_path / "given.npy", numbers)
    page = report_of(network, tmp_path / "given.npy", sections=SECTIONS, top=2)
    elements = Elements(page)
    text = " ".join(elements.text.split())
    assert f"It reads a {kind} of {' × '.join(map(str, shape))} numbers, no picture." in text
    assert f"Left out, as only a picture has it: {left_out}." in text
    assert [stage for stage in stages if stage in text] == stages
    assert "given.npy" in text
    ids = {attributes.get("id") for _, attributes in elements.elements}
    assert ids >= {"input", "layers", "filters", "activations", "recipe"}
    assert ids.isdisjoint({"units", "dreams"})
    assert ("evidence" in ids) == (kind != "vector")
    assert kind == "vector" or network.predict(numbers)[0][0] in text
    links = {link["href"] for link in elements.all("a")}
    assert links <= {f"#{name}" for name in ids}
    for image in elements.all("img"):
        assert image["alt"]
        encoded = str(image["src"]).partition(",")[2]
        assert Image.open(io.BytesIO(base64.b64decode(encoded))).getbbox() is not None
    same = report_of(network, numbers, sections=("filters",))
    digest = re.findall(r"picture_sha256&#34;: &#34;(\w+)", page)
    assert digest and digest == re.findall(r"picture_sha256&#34;: &#34;(\w+)", same)
    with pytest.raises(InputError, match=f"only a picture can be painted, and .* reads a {kind}"):
        report_of(network, numbers, style="coffee")


def test_a_signal_in_a_file_has_a_page_on_the_command_line(tmp_path: Path) -> None:
    layers = NUMBERS["signal"][1]
    open_network(nn.Sequential(*layers).eval(), input_shape=(1, 2, 40)).save(tmp_path / "n.convscope")
    np.save(tmp_path / "s.npy", np.arange(80, dtype=np.float32).reshape(2, 40))
    words = [str(tmp_path / "n.convscope"), str(tmp_path / "s.npy"), "--sections", "activations", "-o"]
    run = CliRunner().invoke(main, ["report", *words, str(tmp_path / "p.html")])
    assert run.exit_code == 0, run.output
    page = (tmp_path / "p.html").read_text()
    commands = [html.unescape(one) for one in re.findall(r"<code>(convscope activations .*?)</code>", page)]
    assert len(commands) == 3  # of the signal, and of each stage
    for command in commands:
        made = CliRunner().invoke(main, [*shlex.split(command)[1:], "-o", str(tmp_path / "a.png")])
        assert made.exit_code == 0, made.output
