"""What each unit is worth, against the same network run again with a hook that writes 0, unit by unit."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

import convscope
from convscope.cli import main
from convscope.errors import ConvscopeError
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from planted import plain_picture, planted_files, planted_network
from torch_cases import branches, noise


@pytest.fixture(scope="module")
def network() -> Network:
    return convscope.open_network(branches(), input_shape=(1, 3, 24, 24))


def hooked(part: str, channel: int, x: Tensor) -> Tensor:
    """Return the scores of the twin, in which a hook writes 0 over a channel."""
    twin = branches()

    def hook(_: object, __: object, answer: Tensor) -> Tensor:
        answer = answer.clone()
        answer[:, channel] = 0
        return answer

    twin.get_submodule(part).register_forward_hook(hook)
    return twin(x)


@pytest.mark.parametrize("part", ["first", "second", "mix"])
def test_it_is_what_is_lost_under_a_hook(part: str, network: Network) -> None:
    found = convscope.importance(network, part, noise(), 3)
    whole = float(branches()(noise())[0, 3])
    lost = [whole - float(hooked(part, unit, noise())[0, 3]) for unit in range(len(found.effects))]
    np.testing.assert_allclose(found.effects, lost, rtol=0, atol=1e-6)
    assert found.whole == pytest.approx(whole, abs=1e-6) and np.abs(lost).max() > 0.001
    strongest = int(np.abs(lost).argmax())
    assert found.strongest(1)[0] == (f"{part}:{strongest}", pytest.approx(lost[strongest], abs=1e-6))


def test_a_layer_without_places_has_one_number_a_unit() -> None:
    torch.manual_seed(3)
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(12, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4), torch.nn.Sigmoid()
    ).eval()
    x = torch.randn(1, 3, 2, 2)
    found = convscope.importance(convscope.open_network(module, input_shape=x.shape), "2", x, "4:2")
    answers, head = module[:3](x)[0].detach(), module[3].requires_grad_(False)
    without = [
        head.weight[2] @ answers + head.bias[2] - head.weight[2, unit] * answers[unit] for unit in range(5)
    ]
    whole = module(x)[0, 2].detach()
    lost = [float(whole - torch.sigmoid(number)) for number in without]
    np.testing.assert_allclose(found.effects, lost, atol=1e-6)
    assert np.abs(lost).max() > 0.001


def test_over_many_it_is_the_mean_with_an_interval(network: Network) -> None:
    inputs = [noise(seed) for seed in range(5)]
    each = np.stack([convscope.importance(network, "second", input, 3).effects for input in inputs])
    found = convscope.importance(network, "second", inputs, 3)
    np.testing.assert_allclose(found.effects, each.mean(0), atol=1e-7)
    np.testing.assert_allclose(found.intervals, 1.96 * each.std(0, ddof=1) / 5**0.5, atol=1e-7)
    assert found.count == 5 and "with its 95 % interval" in found.caption


def test_without_a_target_it_is_the_share_that_is_named_as_before(network: Network) -> None:
    inputs = [noise(seed) for seed in range(12)]
    found = convscope.importance(network, "mix", inputs)
    before = torch.cat([branches()(one) for one in inputs]).argmax(1)
    for unit, effect in enumerate(found.effects):
        after = torch.cat([hooked("mix", unit, one) for one in inputs]).argmax(1)
        assert effect == pytest.approx(float((after != before).float().mean()))
    assert found.effects.max() > 0.1
    assert found.whole == 1 and found.measured == "the share of pictures that are named as before"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A planted network, and folders of pictures by class, of which one lies in the wrong folder."""
    monkeypatch.chdir(tmp_path)
    planted_files(tmp_path / "planted")
    colors = {"red": (1.0, 0, 0), "green": (0, 1.0, 0), "blue": (0, 0, 1.0)}
    for name, color in colors.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        Picture(plain_picture(color)).save(f"photos/{name}/one.png")
    Picture(plain_picture(colors["red"])).save("photos/blue/two.png")
    return tmp_path


def test_where_folders_name_classes_it_is_the_share_that_is_right(here: Path) -> None:
    found = convscope.importance(convscope.open_network("planted"), "conv1", "photos")
    assert found.measured == "the share of pictures that are named rightly"
    assert (found.whole, found.count) == (0.75, 4)
    effects = dict(zip(("red", "green", "blue"), found.effects, strict=False))
    assert effects["green"] == 0.25  # its only picture is lost; what is dead changes nothing
    assert found.effects[7] == 0


def test_a_pattern_stands_for_all_the_pictures_behind_it(here: Path) -> None:
    words = ["importance", "planted", "conv1", "photos/blue/*.png", "red", "--json"]
    result = json.loads(CliRunner().invoke(main, words).stdout)
    assert result["count"] == len(list(Path("photos/blue").iterdir())) == 2
    whole = convscope.importance(convscope.open_network("planted"), "conv1", "photos/blue", "red")
    assert result == {**whole.to_dict(), "notes": []}
    drawn = json.loads(CliRunner().invoke(main, [*words, "-o", "chart.png"]).stdout)
    assert drawn["path"] == "chart.png" and Path("chart.png").is_file() and drawn["caption"]


def test_the_command_says_and_draws_it(here: Path) -> None:
    words = ["importance", "planted", "conv1", "photos/red/one.png", "red"]
    told = CliRunner().invoke(main, [*words, "-o", "chart.png", "--top", "3"])
    assert told.exit_code == 0, told.output
    first, *rows, path = told.stdout.splitlines()
    assert "“red”" in first and rows[0].split()[0] == "conv1:0" and len(rows) == 3 and path == "chart.png"
    said = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    alone = convscope.importance(convscope.open_network("planted"), "conv1", "photos/red/one.png", "red")
    assert said["effects"] == alone.effects.tolist()
    again = convscope.importance(
        convscope.open_network("planted"), "conv1", "photos/red/one.png", "red", top=3
    )
    assert Path("chart.png").read_bytes() == again.encode()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("conv1:2", "'conv1:2' is a unit: name its layer, 'conv1'"),
        ("scores", "'scores' is what is explained: choose a layer before it"),
        ("prob", "does not depend on 'prob'"),
        ("conv11", "has no layer 'conv11'"),
    ],
)
def test_what_cannot_be_left_out_is_said(layer: str, message: str, here: Path) -> None:
    with pytest.raises(ConvscopeError, match=message):
        convscope.importance(convscope.open_network("planted"), layer, "photos/red/one.png", "red")


def test_constants_behind_the_layer_are_one_for_all_the_units() -> None:
    """A shape is put together from counts and constants of length 1, as ONNX has it before a detector's end."""
    plain = planted_network()
    steps: list[tuple[str, tuple[str, ...], str, dict[str, Any]]] = [
        ("shape_of", ("scores",), "shape", {}),
        ("gather", ("shape",), "count", {"axis": 0, "number": 0}),
        ("unsqueeze", ("count",), "pictures", {"axes": (0,)}),
        ("tensor", (), "rest", {"values": (-1.0,), "shape": (1,)}),
        ("concat", ("pictures", "rest"), "wanted", {"axis": 0}),
        ("reshape", ("scores", "wanted"), "out", {}),
    ]
    behind = [Operation(kind, out, kind, reads, (out,), {}, more) for kind, reads, out, more in steps]
    operations = plain.graph.operations[:-1]  # without the softmax
    graph = replace(plain.graph, operations=(*operations, *behind), outputs=("out",))
    network = Network(graph, input_spec=plain.input_spec)
    found = convscope.importance(network, "conv1", plain_picture((0, 1, 0)), "out:1", progress=False)
    expected = convscope.importance(plain, "conv1", plain_picture((0, 1, 0)), "scores:1", progress=False)
    np.testing.assert_allclose(found.effects, expected.effects, atol=1e-6)
    assert np.abs(expected.effects).max() > 0.1
