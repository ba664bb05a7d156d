"""Every answer shown as what it is: planted networks whose segmentation, picture, tokens and boxes are known."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from convscope.cli import main
from convscope.errors import InputError
from convscope.formats.opening import open_network
from convscope.looking.activations import activations
from convscope.looking.boxes import boxes, find_boxes
from convscope.looking.output_picture import output_picture
from convscope.looking.segmentation import class_shares, segmentation
from convscope.looking.showing import show, show_output, words_of
from convscope.looking.token_maps import token_maps
from convscope.network.network import Network
from convscope.network.tokens import flattened_maps, token_grids, token_in_words
from convscope.optimization.feature_visualization import feature_visualization
from convscope.report import ReportOptions, make_report
from convscope.rerunning import rerun

HEIGHT, WIDTH = 40, 56
LABELS = ["background", "red", "green", "blue"]


class Planted(nn.Module):
    """A function of the picture (N, 3, 40, 56), 0..1, and a first convolution that copies it."""

    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.copy = nn.Conv2d(3, 3, 1)
        self.head = nn.Conv2d(3, 4, 1)
        with torch.no_grad():
            self.copy.weight.copy_(torch.eye(3)[:, :, None, None])
            self.copy.bias.zero_()  # type: ignore[union-attr]
            self.head.weight.copy_(torch.cat([torch.zeros(1, 3), torch.eye(3)])[:, :, None, None])
            self.head.bias.copy_(torch.tensor([0.4, 0.0, 0.0, 0.0]))  # type: ignore[union-attr]
        self.answer = answer

    def forward(self, x: Tensor) -> object:
        return self.answer(self, self.copy(x))  # type: ignore[call-arg,arg-type]


def planted(answer: Callable[..., object], **options: object) -> Network:
    exact = {"mean": 0, "input_scale": 1.0, "raw_scale": 1.0, "channel_order": "RGB"}
    return open_network(Planted(answer), input_shape=(1, 3, HEIGHT, WIDTH), **exact | options)  # type: ignore[arg-type]


def flag() -> np.ndarray:
    """Return a picture: a red quarter at the top left, blue over all of the lower half, black elsewhere."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2] = (255, 0, 0)
    picture[HEIGHT // 2 :] = (0, 0, 255)
    return picture


def segmenting() -> Network:
    return planted(lambda net, x: net.head(x), labels=LABELS)


def test_a_segmentation_has_the_classes_shares_and_the_picture_their_colors() -> None:
    network = segmenting()
    shares = class_shares(network, flag())
    assert [(one.label, one.share) for one in shares] == [("blue", 0.5), ("background", 0.25), ("red", 0.25)]
    made = segmentation(network, flag())
    assert (
        "3 of 4 classes are there, by their share of the picture: blue 50.0%, background 25.0%"
        in made.caption
    )
    left, top, right, bottom = made.tiles[0].box
    shown = made.array[top:bottom, left:right]
    times = shown.shape[0] // HEIGHT
    assert shown.shape == (HEIGHT * times, WIDTH * times, 3)
    black = shown[times * 5, times * 40]
    assert np.ptp(black) == 0  # the background keeps the photograph's gray
    colors = {
        tuple(shown[times * row, times * column]) for row, column in ((5, 5), (15, 20), (30, 5), (39, 55))
    }
    assert len(colors) == 2  # red's twice, blue's twice
    swatches = made.array[bottom + 20 :].reshape(-1, 3)
    assert {tuple(color) for color in swatches} >= {(128, 128, 128)}


def test_a_class_has_the_same_color_in_every_picture() -> None:
    network = segmenting()
    only_blue = np.zeros((HEIGHT, WIDTH, 3), np.uint8) + np.array([0, 0, 255], np.uint8)
    made = [segmentation(network, picture) for picture in (flag(), only_blue)]
    below = [{tuple(color) for color in one.array[one.tiles[0].box[3] + 20 :].reshape(-1, 3)} for one in made]
    blue = below[1] - {(255, 255, 255), (128, 128, 128)}
    saturated = {color for color in blue if np.ptp(color) > 120}
    assert len(saturated) == 1 and saturated <= below[0]


def test_a_made_picture_is_a_picture_on_the_scale_that_is_said() -> None:
    bounded = planted(lambda net, x: torch.sigmoid(8 * net.copy(x) - 4))
    made = output_picture(bounded, flag())
    assert "0 is black, 1 white (a sigmoid's ends)" in made.caption
    left, top, right, bottom = made.tiles[0].box
    shown = made.array[top:bottom, left:right]
    bright = round(255 / (1 + np.exp(-4)))
    assert tuple(shown[shown.shape[0] // 4, shown.shape[1] // 4]) == (bright, 255 - bright, 255 - bright)
    wide = planted(lambda net, x: net.copy(torch.cat([x, x], 3)) * 255)
    assert (
        "0 is black, 255 white (its numbers lie between 0 and 255: a guess)"
        in output_picture(wide, flag()).caption
    )


def test_tokens_are_maps_and_the_class_token_stands_apart() -> None:
    def tokens(net: nn.Module, x: Tensor) -> Tensor:
        patches = F.avg_pool2d(x, 8).flatten(2).transpose(1, 2)
        patches = torch.cat([patches, patches.flip(2) / 2, torch.zeros(1, 35, 16)], 2)
        red = torch.cat([torch.tensor([[[1.0, 0, 0, 0, 0, 0.5]]]), torch.zeros(1, 1, 16)], 2)
        return torch.cat([red, patches], 1)

    network = planted(tokens)
    value = network.outputs[0].value
    assert network.outputs[0].role == "tokens"
    made = show(network, flag(), value)
    assert made.caption.startswith(f"5 × 7 tokens of {value}, 22 numbers each, 1 more stands apart.")
    assert "likeness (cosine) from 0 to 1" in made.caption
    assert made.caption == token_maps(network, flag(), value).caption
    assert token_in_words(network, network.resolve(f"{value}:0")) == (
        f"token 0 of {value}, which has no place in the picture, all its 22 numbers"
    )
    (wanted,) = feature_visualization(network, f"{value}:9", steps=1, size=40)
    assert wanted.caption.startswith(
        f"What token 9 of {value}, row 1, column 1 of 5 × 7, all its 22 numbers wants to see: "
    )
    assert token_in_words(network, network.resolve("copy:1")) == ""
    with pytest.raises(InputError, match="no tokens that are places"):
        token_maps(network, flag(), "copy")
    with pytest.raises(InputError, match=r"\(36, 22\), no maps: token_maps shows tokens where they lie"):
        activations(network, flag(), value)


def test_maps_in_one_row_each_are_no_tokens_though_there_are_as_many() -> None:
    def detector(net: nn.Module, x: Tensor) -> Tensor:
        maps = F.avg_pool2d(x, 8).repeat(1, 12, 1, 1)[:, :35]
        return maps.flatten(2).sigmoid().transpose(1, 2)

    network = planted(detector)
    assert {name: network.shapes[name] for name in flattened_maps(network)} == dict.fromkeys(
        ("flatten", "sigmoid"), (1, 35, 35)
    )
    assert list(token_grids(network)) == ["transpose"]
    assert "tokens" not in show(network, flag(), "flatten").caption


def detector(scale: float, offset: tuple[float, ...]) -> Network:
    """Two rows on one thing, one on another, 317 of nothing."""
    corners = torch.rand(320, 2, generator=torch.Generator().manual_seed(1)) * 0.6
    rows = torch.cat([corners, corners + 0.2], 1)
    rows[7] = torch.tensor([0.1, 0.2, 0.35, 0.5])
    rows[8] = torch.tensor([0.11, 0.2, 0.36, 0.52])
    rows[200] = torch.tensor([0.5, 0.55, 0.9, 0.95])
    scores = torch.tensor([[0.99, 0.01]]).repeat(320, 1)
    scores[7], scores[8], scores[200] = (torch.tensor(pair) for pair in ((0.1, 0.9), (0.2, 0.8), (0.4, 0.6)))

    def answer(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
        nothing = 0 * x.mean()
        return {
            "boxes": (rows * scale * torch.tensor(offset) + nothing)[None],
            "scores": (scores + nothing)[None],
        }

    return planted(answer)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, (1, 1, 1, 1)), (1.0, (WIDTH, HEIGHT, WIDTH, HEIGHT))])
def test_boxes_are_drawn_where_they_are_the_best_on_each_thing(
    scale: float, offset: tuple[float, ...]
) -> None:
    network = detector(scale, offset)
    read = find_boxes(network, flag())
    assert read is not None
    assert [(box.label, round(box.score, 3)) for box in read.found] == [("class 1", 0.9), ("class 1", 0.6)]
    assert read.found[0].corners == pytest.approx((0.1, 0.2, 0.35, 0.5), abs=1e-6)
    assert ("pixels" in read.reading) == (offset[0] > 1)
    made = show_output(network, flag())
    assert made.caption.startswith("2 boxes with a score of 0.3 and more")
    height, width = made.array.shape[:2]
    frame = made.array[round(0.35 * height), round(0.35 * width) - 1]
    assert tuple(frame) == (0x24, 0x60, 0xB8)
    report = make_report(network, flag(), ReportOptions(sections=("predictions",)))
    assert report.count("2 boxes with a score") == 1
    assert f"<h4><bdi>{' and '.join(output.name for output in network.outputs)}</bdi></h4>" in report


@pytest.mark.parametrize("layout", ["objectness", "columns", "chosen"])
def test_boxes_with_their_scores_in_one_table_are_read_as_the_yolo_family_writes_them(layout: str) -> None:
    corners = torch.tensor([[0.1, 0.2, 0.35, 0.5], [0.11, 0.2, 0.36, 0.52], [0.5, 0.55, 0.9, 0.95]])
    middles = torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1)
    sides = torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
    table = torch.zeros(320, 8)
    if layout == "chosen":  # corners, score, class, and rows of nothing
        table = torch.zeros(320, 6)
        table[:3] = torch.cat([corners * sides, torch.tensor([[0.9, 2], [0.8, 2], [0.6, 0]])], 1)
    else:
        table[:, :4] = torch.rand(320, 4, generator=torch.Generator().manual_seed(1)) * sides / 2 + 1
        table[[7, 8, 200], :4] = middles * sides
        scores = torch.tensor([[0.1, 0.0, 0.9], [0.1, 0.0, 0.8], [0.6, 0.05, 0.0]])
        if layout == "objectness":
            table[:, 4:] = torch.tensor([0.01, 0.9, 0.9, 0.9])  # sure of the class, not that there is one
            table[[7, 8, 200], 4:] = torch.cat([torch.full((3, 1), 0.95), scores / 0.95], 1)
        else:
            table = table[:, :7]
            table[[7, 8, 200], 4:] = scores
    rows = table.T if layout == "columns" else table
    network = planted(lambda net, x: (rows + 0 * x.mean())[None])
    read = find_boxes(network, flag())
    assert read is not None
    assert [(box.label, round(box.score, 3)) for box in read.found] == [("class 2", 0.9), ("class 0", 0.6)]
    assert read.found[0].corners == pytest.approx((0.1, 0.2, 0.35, 0.5), abs=1e-5)
    assert "objectness" in read.reading if layout == "objectness" else "objectness" not in read.reading
    made = show_output(network, flag())
    assert made.caption.startswith("2 boxes with a score") and made.caption.endswith("in pixels: a guess.")


def test_offsets_from_anchors_are_not_drawn_as_boxes() -> None:
    network = planted(lambda net, x: {
        "loc": F.pad(x.flatten(2), (0, 0))[:, :, :1600].reshape(1, 1200, 4) * 6 - 3,
        "conf": x.flatten(2)[:, :2, :1200].transpose(1, 2).softmax(2),
    })  # fmt: skip
    assert find_boxes(network, flag()) is None
    with pytest.raises(InputError, match="gives no boxes that can be drawn"):
        boxes(network, flag())
    assert "and no probabilities" in show_output(network, flag()).caption


def test_words_of_an_output() -> None:
    network = segmenting()
    said = words_of(network, flag(), network.outputs[0], top=2)
    value = network.outputs[0].value
    assert said[1:] == [
        f" 50.0% of the picture  blue  ({value}:3)",
        f" 25.0% of the picture  background  ({value}:0)",
    ]


def test_with_channels_a_map_of_classes_is_tiles() -> None:
    network = segmenting()
    value = network.outputs[0].value
    assert "over the photograph" in show(network, flag(), value).caption
    assert show(network, flag(), value, channels=3).caption.startswith("The first 3 of 4 channels")


def test_the_commands_say_and_draw_it(tmp_path: Path) -> None:
    network, photograph = tmp_path / "net.convscope", tmp_path / "flag.png"
    segmenting().save(network)
    from PIL import Image

    Image.fromarray(flag()).save(photograph)
    drawn, again = tmp_path / "drawn.png", tmp_path / "again.png"
    found = CliRunner().invoke(main, ["classify", str(network), str(photograph), "-o", str(drawn)])
    assert found.exit_code == 0, found.output
    assert "50.0% of the picture  blue" in found.output
    found = CliRunner().invoke(main, ["classify", str(network), str(photograph), "--json"])
    answer = json.loads(found.stdout)[0]
    assert answer["predictions"] == [] and answer["outputs"][0]["role"] == "class map"
    rerun(drawn).save(again)
    assert drawn.read_bytes() == again.read_bytes()
    value = segmenting().outputs[0].value
    found = CliRunner().invoke(
        main, ["activations", str(network), str(photograph), value, "-o", str(again), "--force"]
    )
    assert found.exit_code == 0, found.output
    assert again.read_bytes() == drawn.read_bytes()
    page = make_report(segmenting(), flag(), ReportOptions(sections=("predictions", "activations")))
    assert "What it answers" in page and "by their share of the picture: blue 50.0%" in page
