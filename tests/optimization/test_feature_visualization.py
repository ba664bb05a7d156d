"""Feature visualizations as Pictures: captions, recipes, sheets."""

from pathlib import Path

import numpy as np
import pytest
import torch

import convscope
from convscope import canvases, objectives, presets, transforms
from convscope.errors import ConvscopeWarning, InputError, RecipeError, UnknownLayer
from convscope.formats.opening import open_network
from convscope.measuring.measure import measure
from convscope.measuring.strongest import keep_strongest, strongest_of
from convscope.network.network import Network
from convscope.optimization.ascent import ascend
from convscope.optimization.feature_sheet import as_sheet, feature_sheet
from convscope.optimization.feature_visualization import feature_visualization
from convscope.optimization.rendering import Progress, RenderedPicture
from convscope.optimization.verdict import Verdict
from convscope.pictures import recipe
from convscope.pictures.picture import Pictures
from convscope.rerunning import rerun
from planted import FEATURES, planted_files, planted_network


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    return open_network(planted_files(tmp_path / "planted"))


def test_one_picture_an_address_with_its_verdict(network: Network) -> None:
    told: list[Progress] = []
    addresses = ["conv1:0", "prob:green", "conv2:1@4,4", "conv1"]
    pictures = feature_visualization(network, addresses, size=32, steps=8, watch=told.append)
    assert [picture.array.shape for picture in pictures] == [(32, 32, 3)] * 4
    assert pictures[0].caption.startswith("What conv1:0 wants to see: activation 0.")
    assert pictures[0].caption.endswith("8 steps, preset 'default'.")
    assert pictures[1].caption.startswith("What green (logit) wants to see: activation ")
    assert pictures[3].caption.startswith("What conv1, mean square wants to see")
    # Nobody measured photographs: so of each unit, and not of a whole layer, which no unit's photographs tell of.
    unchecked = ["not checked whether it misleads" in picture.caption for picture in pictures]
    assert unchecked == [True, True, "could not be" not in pictures[2].caption, False]
    assert told[-1].done == told[-1].of == 4 * 8


def test_rerun_makes_the_same_bytes_alone_that_a_batch_made(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = feature_visualization(network, ["conv1:3", "conv1:4"], size=32, steps=6, seed=3)
    path = pictures[1].save(tmp_path / "feature.png")
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "other"))
    again = convscope.rerun(path)
    assert again.save(tmp_path / "again.png").read_bytes() == path.read_bytes()


def test_seeds_make_other_pictures(network: Network) -> None:
    one, other = (
        feature_visualization(network, "conv1:3", size=32, steps=4, seed=seed)[0] for seed in (0, 1)
    )
    assert not np.array_equal(one.array, other.array)


def test_a_sheet_shows_every_channel_and_crosses_out_the_dead(network: Network, tmp_path: Path) -> None:
    sheet = feature_sheet(network, "conv1", size=32, steps=8)
    assert [tile.address for tile in sheet.tiles] == [f"conv1:{index}" for index in range(8)]
    dead = FEATURES.index("dead")
    assert sheet.caption.endswith(f"could not be activated: {dead}.")
    left, top, right, bottom = sheet.tiles[dead].box
    assert len(np.unique(sheet.array[top:bottom, left:right].reshape(-1, 3), axis=0)) == 2
    path = sheet.save(tmp_path / "sheet.png")
    assert convscope.rerun(path).save(tmp_path / "again.png").read_bytes() == path.read_bytes()


def test_some_channels_of_a_layer(network: Network) -> None:
    assert len(feature_sheet(network, "conv1", channels=2, size=32, steps=2).tiles) == 2
    some = feature_sheet(network, "conv1", channels=[5, 1], size=32, steps=2)
    assert [tile.address for tile in some.tiles] == ["conv1:1", "conv1:5"]


def test_only_a_sheet_that_was_interrupted_says_so() -> None:
    def made(index: int, steps: int, reached: float) -> RenderedPicture:
        picture = torch.zeros(3, 8, 8, dtype=torch.uint8)
        return RenderedPicture(f"conv1:{index}", picture, steps, Verdict(reached, reached, 0.0), picture)

    given_up = as_sheet("conv1", [made(0, 128, 1.0), made(1, 64, 0.0)])
    assert "interrupted" not in given_up.caption
    assert given_up.caption.endswith("could not be activated: 1.")
    interrupted = as_sheet("conv1", [made(0, 128, 1.0), made(1, 64, 0.5)])
    assert "interrupted: some after 64 of 128 steps" in interrupted.caption
    assert "; not checked whether they mislead" in interrupted.caption


@pytest.mark.parametrize("none", [0, -1, ()])
def test_no_channels_at_all_are_refused(network: Network, none: int | tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        feature_sheet(network, "conv1", channels=none)


def test_networks_in_memory_work_and_are_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    network = planted_network()
    (picture,) = feature_visualization(network, "conv1:0", size=32, steps=2)
    assert picture.array.shape == (32, 32, 3)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_unit_that_answers_in_no_numbers_is_named_and_the_others_are_made() -> None:
    network = planted_network()
    network.graph.parameters["conv1.bias"][3] = torch.inf
    with pytest.warns(ConvscopeWarning, match="conv1:3 cannot be ascended: .* answers infinity"):
        made = feature_visualization(network, ["conv1:0", "conv1:3", "conv1:5"], size=32, steps=2)
    addresses = [picture.recipe.arguments["address"] for picture in made if picture.recipe]
    assert addresses == ["conv1:0", "conv1:5"]
    with pytest.raises(InputError, match="conv1:3 cannot be ascended"):
        feature_visualization(network, "conv1:3", size=32, steps=2)


@pytest.mark.parametrize("preset", ["default", "keras-2016"])
def test_a_kept_picture_is_judged_beside_what_was_measured_since(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    """Its caption is that of a run without a cache, whatever was measured after it was made."""
    addresses = ["conv1:0", "conv1:2", "conv2:1"]
    random, captions = np.random.default_rng(5), list[list[str]]()

    def made() -> Pictures:
        return feature_visualization(network, addresses, preset=preset, size=37, steps=3)

    alone = made()
    for count in (31, 33):
        photographs = [random.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(count)]
        keep_strongest(network, strongest_of(measure(network, photographs)))
        again = made()
        captions.append([picture.caption for picture in again])
        assert [picture.caption for picture in made()] == captions[-1]
        assert all(f"of {count} photographs" in caption for caption in captions[-1])
        for one, other in zip(alone, again, strict=True):
            assert np.array_equal(one.array, other.array)
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "other"))
    keep_strongest(network, strongest_of(measure(network, photographs)))
    assert [picture.caption for picture in made()] == captions[-1]
    assert captions[0] != captions[1]


def test_another_version_makes_its_pictures_anew(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made, package in ((1, "0.1"), (2, "0.2"), (2, "0.1")):
        monkeypatch.setattr(recipe, "__version__", package)
        feature_visualization(network, "conv1:0", size=32, steps=1)
        assert len(list((tmp_path / "cache" / "features").glob("*.safetensors"))) == made


def test_wrong_names_are_told_before_any_work(network: Network) -> None:
    with pytest.raises(UnknownLayer, match="Did you mean 'conv2' or 'conv1'"):
        feature_visualization(network, ["conv1:0", "conv9:0"])
    with pytest.raises(UnknownLayer, match="8 channels"):
        feature_visualization(network, "conv1:8")
    with pytest.raises(InputError, match="no preset 'lucidd'"):
        feature_visualization(network, "conv1:0", preset="lucidd")
    with pytest.raises(InputError, match="at a time, at least 1, not -1"):
        feature_visualization(network, "conv1:0", batch=-1)
    with pytest.raises(InputError, match="steps is at least 1"):
        feature_visualization(network, "conv1:0", steps=0)


def test_an_objective_and_settings_of_one_s_own_are_composed(network: Network) -> None:
    """The picture is that of the ascent itself; its recipe says that it holds no objective."""
    objective = objectives.channel("conv1", 0) - 0.5 * objectives.channel("conv1", 3)
    painting = canvases.Painting(canvases.Pixels(deviation=0.05))
    settings = presets.Settings(painting, (transforms.Jitter(2),), rate=0.1, steps=5, size=(24, 24))
    (picture,) = feature_visualization(network, objective, preset=settings, seed=4)
    (*_, last) = ascend(network, [objective], settings, seeds=[4])
    expected = (last.best()[0].clamp(0, 1) * 255).round().movedim(0, -1).numpy()
    assert np.array_equal(picture.array, expected)
    assert "What conv1:0 - 0.5 × conv1:3 wants to see" in picture.caption
    assert "5 steps, settings of its own" in picture.caption
    with pytest.raises(RecipeError, match="which a recipe cannot hold"):
        rerun(picture.recipe, network=network)


def test_addresses_and_objectives_go_together(network: Network) -> None:
    one, other = feature_visualization(network, ["conv1:0", objectives.channel("conv1", 1)], size=32, steps=2)
    assert one.recipe.arguments["address"] == "conv1:0" and "What conv1:1 wants" in other.caption


@pytest.mark.parametrize("batch", [None, 2])
def test_an_objective_several_times_is_as_many_pictures_made_together(
    network: Network, batch: int | None
) -> None:
    """From one channel to another over three pictures: a batch of two does not part them, and none is made once."""
    between = objectives.interpolation(objectives.channel("conv1", 0), objectives.channel("conv1", 3))
    targets = ["conv1:5", between, between, between, "conv1:5"]
    pictures = feature_visualization(network, targets, size=32, steps=16, batch=batch)
    assert len({picture.array.tobytes() for picture in pictures}) == 4
    assert [picture.caption[: picture.caption.index(" wants")][-6:] for picture in pictures[1:4]] == [
        f"{number} of 3" for number in (1, 2, 3)
    ]
    first = feature_visualization(network, objectives.channel("conv1", 0), size=32, steps=16)[0]
    assert np.array_equal(pictures[1].array, first.array)  # the way begins with all of the one
    shown = torch.cat([network.preprocess(picture.array) for picture in pictures[1:4]])
    toward = network.activations(shown, "conv1")["conv1"][:, [0, 3]].mean((2, 3)).diff().flatten()
    assert toward[0] < toward[1] < toward[2]
    alone = feature_visualization(network, objectives.channel("conv1", 1), size=32, steps=2)[0]
    twice = feature_visualization(network, 2 * [objectives.channel("conv1", 1)], size=32, steps=2)
    assert np.array_equal(twice[0].array, alone.array) and not np.array_equal(twice[1].array, alone.array)


def test_objectives_of_the_same_words_are_pictures_of_their_own(network: Network) -> None:
    one, other = (objectives.channel("conv1", number).named("mine") for number in (0, 3))
    pictures = feature_visualization(network, [one, other], size=32, steps=4)
    assert np.array_equal(pictures[0].array, feature_visualization(network, one, size=32, steps=4)[0].array)
    assert not np.array_equal(pictures[0].array, pictures[1].array)
