"""Dreams and paintings on the page are the ones their functions make, and one that cannot be is said so."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convscope.attribution.occlusion import occlusion
from convscope.dreaming.deep_dream import deep_dream
from convscope.errors import PictureError, UnknownLayer
from convscope.formats.opening import open_network
from convscope.optimization.feature_visualization import feature_visualization
from convscope.optimization.own_pictures import SIZE as OWN
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture
from convscope.report import generated
from convscope.report.context import QUICK, Counter, ReportContext, ReportOptions
from convscope.report.evidence import evidence, evidence_parts
from convscope.report.generated import dream_targets, dreams, paintings
from convscope.report.page import make_report
from convscope.rerunning import rerun
from convscope.styling.style_transfer import style_transfer
from planted import edge_picture, planted_files, planted_network

PICTURE = edge_picture()
PICTURE[20:28, 4:12] = (255, 0, 0)  # the colors are what conv2 answers to
PICTURE[20:28, 20:28] = (0, 255, 0)


def context(**options: object) -> ReportContext:
    return ReportContext(planted_network(), open_photograph(PICTURE), ReportOptions(**options))  # type: ignore[arg-type]


def shown(uri: str) -> NDArray[np.uint8]:
    content = base64.b64decode(uri.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_the_deepest_layers_of_the_last_stages_dream() -> None:
    about = context()
    assert dream_targets(about) == [
        ("conv1", "conv1", "each position sees 5 × 5 pixels"),
        ("conv2", "conv2", dream_targets(about)[1][2]),
    ]
    seen: list[int] = []
    made = list(dreams(about, Counter(16, lambda done, total, _: seen.append(done))))
    assert seen == list(range(1, 17))
    assert [one.title for one in made] == ["conv1", "conv2"]
    for one in made:
        assert one.figure is not None and not one.figure.dark
        expected = deep_dream(about.network, about.picture, one.title, size=32)
        np.testing.assert_array_equal(shown(one.figure.light), expected.array)
        assert one.figure.caption == expected.caption
        assert f"'{one.title}', size=32)" in one.figure.command


def test_the_evidence_is_what_each_method_finds_and_the_tree_of_what_it_came_from() -> None:
    about, seen = context(), list[int]()
    assert evidence_parts(about) == 27 and evidence_parts(context(sections=QUICK)) == 6
    made = list(evidence(about, Counter(27, lambda done, total, _: seen.append(done))))
    assert seen[-1] == 27
    titles = [
        "grad cam",
        "occlusion",
        "relevance",
        "integrated gradients",
        "classes on one scale",
        "relevance tree",
    ]
    assert [one.title for one in made] == titles
    found = occlusion(about.network, about.picture, bare=True, stride=4)
    covered, classes, tree = made[1].figure, made[4].figure, made[5].figure
    assert covered is not None and classes is not None and tree is not None
    assert classes.command == "convscope.compare_targets(network, picture, bare=True)"
    np.testing.assert_array_equal(shown(covered.light), found.array)
    assert (
        covered.caption == found.caption
        and "occlusion(network, picture, bare=True, stride=4)" in covered.command
    )
    assert "relevance_tree(network, picture, bare=True, channels=2, steps=32)" in tree.command
    assert "conv2" in tree.caption


def test_a_dream_that_cannot_be_is_said_so_and_the_others_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [("conv1:7", "dead", "never answers"), ("conv2", "conv2", "")]
    monkeypatch.setattr(generated, "dream_targets", lambda _: wanted)
    seen: list[int] = []
    first, second = dreams(context(), Counter(16, lambda done, total, _: seen.append(done)))
    assert first.figure is None and first.words.startswith("could not be dreamed of here: ")
    assert "gradient is 0 everywhere" in first.words
    assert second.figure is not None
    assert seen == list(range(1, 17))


def test_a_painting_in_the_style_of_a_unit_and_of_a_picture(tmp_path: Path) -> None:
    about = context(style="conv2:1")
    style, painting = paintings(about, Counter(32, lambda *_: None))
    own = feature_visualization(about.network, "conv2:1", size=OWN)[0]
    assert style.figure is not None and painting.figure is not None
    np.testing.assert_array_equal(shown(style.figure.light), own.array)
    expected = style_transfer(about.network, about.picture, own.save(tmp_path / "own.png"), size=32, steps=40)
    np.testing.assert_array_equal(shown(painting.figure.light), expected.array)
    assert painting.figure.command.endswith("'conv2:1', size=32, steps=40)")

    other = Picture(PICTURE.transpose(1, 0, 2)).save(tmp_path / "a=b.png")
    style, painting = paintings(context(style=str(other)), Counter(32, lambda *_: None))
    assert style.title == "a=b.png" and style.words == "the style"
    assert painting.figure is not None


def test_what_is_saved_from_the_page_can_be_made_again(tmp_path: Path) -> None:
    network = open_network(planted_files(tmp_path / "network"))
    picture = Picture(PICTURE).save(tmp_path / "edge.png")
    page = make_report(network, picture, ReportOptions(sections=("dreams",), style="conv2:1"))
    found = re.findall(r'<img src="data:image/webp;base64,([^"]+)" alt="(?:The picture after|Style)', page)
    assert len(found) == 4
    for content in found:
        (tmp_path / "saved.webp").write_bytes(base64.b64decode(content))
        assert rerun(tmp_path / "saved.webp").encode("WEBP") == base64.b64decode(content)


def test_a_style_that_is_none_is_refused_before_anything_is_made() -> None:
    told: list[int] = []

    def progress(done: int, total: int, section: str) -> None:
        told.append(done)

    with pytest.raises(PictureError, match=r"none\.png"):
        make_report(planted_network(), PICTURE, ReportOptions(style="none.png"), progress=progress)
    with pytest.raises(PictureError, match=r"As a unit: .*no layer 'conv9'.*Did you mean 'conv"):
        make_report(planted_network(), PICTURE, ReportOptions(style="conv9:1"), progress=progress)
    with pytest.raises(PictureError, match="conv1 is a layer; one of its units is a style: conv1:0"):
        make_report(planted_network(), PICTURE, ReportOptions(style="conv1"), progress=progress)
    with pytest.raises(UnknownLayer, match="there is no 99"):
        make_report(planted_network(), PICTURE, ReportOptions(style="conv1:99"), progress=progress)
    assert told == []


def test_a_style_the_network_cannot_paint_in_is_said_so() -> None:
    (made,) = paintings(context(style=np.zeros((0, 4, 3), np.uint8)), Counter(32, lambda *_: None))
    assert made.figure is None and "could not be painted by planted" in made.words
