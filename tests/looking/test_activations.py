"""Activations: planted features answer where their pattern is, and the pixels are the numbers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from convscope.errors import InputError, UnknownLayer
from convscope.formats.opening import open_network
from convscope.looking.activations import activations
from convscope.looking.answers import answer, is_vector, recorded
from convscope.looking.filters import filters
from convscope.looking.stages import shown_layers
from convscope.looking.values import values
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture, Pictures
from convscope.presentation.curve_plots import curves
from planted import edge_picture, plain_picture, planted_network, with_channels_last


def pixels_of(picture: Picture, address: str) -> NDArray[np.uint8]:
    (found,) = (one for one in picture.tiles if one.address == address)
    left, top, right, bottom = found.box
    return picture.array[top:bottom, left:right]


def gray(picture: Picture, address: str) -> NDArray[np.uint8]:
    pixels = pixels_of(picture, address)
    assert (pixels == pixels[:, :, :1]).all()
    return pixels[:, :, 0]


def shown(picture: Picture, address: str, size: int) -> NDArray[np.uint8]:
    """Return one pixel a value of a tile."""
    pixels = gray(picture, address)
    step = len(pixels) // size
    assert step * size == len(pixels)
    return pixels[step // 2 :: step, step // 2 :: step]


def test_the_planted_edge_answers_at_the_edge() -> None:
    picture = activations(planted_network(), edge_picture(), "conv1", percentile=100)
    edge = shown(picture, "conv1:3", 32)
    assert set(np.flatnonzero(edge[:, 16] > 250)) <= {15, 16}
    assert edge[4:12].max() == edge[20:28].max() == 0


def test_several_addresses_are_several_pictures_and_none_those_that_tell_most() -> None:
    network = planted_network()
    both = activations(network, plain_picture(), ["conv1", "conv2:1"], theme="dark")
    assert isinstance(both, Pictures)
    assert [one.caption for one in both] == [
        activations(network, plain_picture(), name, theme="dark").caption for name in ("conv1", "conv2:1")
    ]
    chosen = activations(network, plain_picture())
    assert isinstance(chosen, Pictures) and len(chosen) == len(shown_layers(network)) > 1
    assert isinstance(values(network, plain_picture()), Pictures)
    assert filters(network).caption == filters(network, "conv1").caption
    assert len(filters(network, ["conv1", "conv2"])) == 2


@pytest.mark.parametrize("scale", ["tile", "sheet"])
def test_pixels_are_the_numbers(scale: Any) -> None:
    network, photograph = planted_network(), edge_picture()
    picture = activations(network, photograph, "conv1", scale=scale, percentile=100)
    maps = network.activations(network.preprocess(photograph), "conv1")["conv1"][0].numpy()
    for index in (3, 5, 6):
        low, high = (maps[index].min(), maps[index].max()) if scale == "tile" else (maps.min(), maps.max())
        expected = np.round(255 * (maps[index].astype(float) - low) / (high - low))
        np.testing.assert_allclose(shown(picture, f"conv1:{index}", 32), expected, atol=1)
    words = "each tile scaled to its own range" if scale == "tile" else "one scale for the whole sheet"
    assert words in picture.caption


def test_dead_channels_are_crossed_out_and_counted() -> None:
    picture = activations(planted_network(), edge_picture(), "conv1")
    assert "of one single value, crossed out" in picture.caption
    dead = pixels_of(picture, "conv1:7").reshape(-1, 3)
    assert len(np.unique(dead, axis=0)) == 2  # a cross on a plain ground


def test_nan_is_crossed_out_and_the_first_layer_that_has_it_is_named() -> None:
    module = nn.Sequential(*(nn.Conv2d(3, 3, 3) for _ in range(3)))
    module[1].weight.data[1] = float("nan")
    network = open_network(module, input_shape=(1, 3, 32, 32))
    picture = activations(network, edge_picture(), "2")
    words = "NaN or infinity: the first layer with one is '1' (Conv2d), in 784 of 2,352 numbers."
    assert "3 with NaN or infinity, crossed out in red" in picture.caption
    assert picture.caption.endswith(words)
    assert activations(network, edge_picture(), "1:1").caption.endswith(words)
    assert words not in activations(network, edge_picture(), "1:0").caption


def test_channels_and_order() -> None:
    network, photograph = planted_network(), plain_picture((1, 0.2, 0))
    first = activations(network, photograph, "conv1", channels=2)
    assert [one.address for one in first.tiles] == ["conv1:0", "conv1:1"]
    assert first.caption.startswith("The first 2 of 8 channels of conv1.")
    listed = activations(network, photograph, "conv1", channels=[5, 1])
    assert [one.address for one in listed.tiles] == ["conv1:5", "conv1:1"]
    assert listed.caption.startswith("2 of the 8 channels of conv1.")
    strongest = activations(network, photograph, "conv1", channels=3, order="strongest")
    assert [one.address for one in strongest.tiles] == ["conv1:0", "conv1:5", "conv1:1"]
    assert strongest.caption.startswith("The 3 strongest of 8 channels, strongest first, of conv1.")
    ordered = activations(network, photograph, "conv1", order="strongest")
    assert ordered.caption.startswith("All 8 channels, strongest first, of conv1.")
    everything = activations(network, photograph, "conv1")
    assert everything.caption.startswith("All 8 channels of conv1.")
    assert min(right - left for left, _, right, _ in (one.box for one in everything.tiles)) >= 24


def test_a_channel_is_one_big_tile_with_its_scale() -> None:
    picture = activations(planted_network(), edge_picture(), "conv1:3")
    assert [one.address for one in picture.tiles] == ["conv1:3"]
    assert len(gray(picture, "conv1:3")) >= 400
    assert picture.caption.startswith("Channel conv1:3, 32×32.")
    assert picture.caption.endswith("one scale for the whole sheet, 0 to 1.")


def test_a_neuron_is_framed_and_its_value_said() -> None:
    plain, framed = (
        activations(planted_network(), edge_picture(), name) for name in ("conv1:3", "conv1:3@15,9")
    )
    assert framed.caption.startswith("Neuron conv1:3@15,9 answers 1.")
    rows, columns = np.nonzero((plain.array != framed.array).any(axis=2))
    left, top, right, _ = plain.tiles[0].box
    step = (right - left) / 32
    assert abs(rows.mean() - (top + 15.5 * step)) < 2
    assert abs(columns.mean() - (left + 9.5 * step)) < 2
    with pytest.raises(UnknownLayer, match="32 rows and 32 columns"):
        activations(planted_network(), edge_picture(), "conv1:3@40,0")


def test_palettes_are_named_in_the_caption() -> None:
    picture = activations(planted_network(), edge_picture(), "conv1", palette="viridis")
    assert "from dark to bright in viridis" in picture.caption
    with pytest.raises(InputError, match=r"no palette 'virdis'.* Did you mean 'viridis'"):
        activations(planted_network(), edge_picture(), "conv1", palette="virdis")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": 0}, "at least 1"),
        ({"channels": [9]}, "0 to 7"),
        ({"channels": []}, "0 to 7"),
        ({"order": "alphabet"}, "Possible: index, strongest"),
    ],
)
def test_wrong_options_are_answered(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        activations(planted_network(), plain_picture(), "conv1", **options)


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_answer_decides_between_tiles_and_a_plot_and_not_the_networks_own_shape(
    channels_last: bool,
) -> None:
    """A filter as large as the map answers once to a picture of its own size, at many places to a larger one."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 8)).eval()
    network = open_network(module, input_shape=(1, 3, 16, 16))
    if channels_last:
        network = replace(network, graph=with_channels_last(network.graph))
    x = torch.randn(1, 3, 24, 26)
    small, large = (one.movedim(1, -1) if channels_last else one for one in (x[..., :16, :16], x))
    for given, of in ((small, "values"), (large, "activations")):
        shown = activations(network, given, "2")
        assert shown.recipe is not None and shown.recipe.function == of
        if of == "values":
            highest = int(module(x[..., :16, :16]).argmax())
            assert f"the highest: {highest} (" in shown.caption
        else:
            assert [(one.box[2] - one.box[0]) % 6 for one in shown.tiles] == [0] * 5  # 5 rows of 6


def test_a_signals_channels_are_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Sequential(nn.Conv1d(2, 5, 3), nn.Conv1d(5, 3, 2)).eval()
    network, x = open_network(module, input_shape=(1, 2, 30)), torch.randn(1, 2, 30)
    rows, drawn = module[0](x)[0].detach().numpy(), []
    monkeypatch.setattr(
        "convscope.looking.activations.curves",
        lambda rows, *names, **how: drawn.append(rows) or curves(rows, *names, **how),
    )
    assert (
        activations(network, x, "0").caption
        == "All 5 channels of 0. 5 curves over 28 positions, each on its own scale."
    )
    assert (
        f"Neuron 0:3@7 answers {rows[3, 7]:.4g}. Its channel: 1 curve"
        in activations(network, x, "0:3@7").caption
    )
    strongest = activations(network, x, "0", channels=2, order="strongest", scale="sheet")
    assert strongest.caption.startswith("The 2 strongest of 5 channels, strongest first, of 0.")
    best = np.argsort(-np.abs(rows).mean(1), kind="stable")[:2]
    for found, expected in zip(drawn, (rows, rows[3:4], rows[best]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(UnknownLayer, match="0:3@28"):
        activations(network, x, "0:3@28")


def test_a_volumes_channels_are_slices() -> None:
    module = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 2, 3)).eval()
    network, x = open_network(module, input_shape=(1, 1, 6, 8, 9)), torch.randn(1, 1, 6, 8, 9)
    volumes = module[:2](x)[0].detach().numpy()
    middle, channel = (
        activations(network, x, "1", percentile=100),
        activations(network, x, "1:2@1,7,3", percentile=100),
    )
    assert middle.caption.endswith(" Slice 3 of 6.") and [one.address for one in middle.tiles] == [
        f"1:{i}" for i in range(4)
    ]
    assert channel.caption.startswith(
        f"Neuron 1:2@1,7,3 answers {volumes[2, 1, 7, 3]:.4g}. Every slice of channel 1:2. 6 "
    )
    for picture, name, plane in ((middle, "1:1", volumes[1, 3]), (channel, "slice 1", volumes[2, 1])):
        pixels = gray(picture, name)
        step = len(pixels) // 8
        found = pixels[step // 2 :: step, step // 2 :: step]
        brightest = np.unravel_index(plane.argmax(), plane.shape)
        assert found.shape == (8, 9) and found[brightest] == found.max() > found[plane == 0].max()


def test_a_network_without_maps_shows_its_plain_numbers() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 3)).eval()
    chosen = activations(open_network(module, input_shape=(1, 3, 2, 2)), torch.rand(1, 3, 2, 2))
    assert isinstance(chosen, Pictures)
    assert [one.caption.split(":")[0] for one in chosen] == ["0", "2", "3"]


def test_layers_without_maps_are_plotted_and_unknown_ones_refused() -> None:
    network = planted_network()
    for name in ("scores", "pool2"):
        plotted = activations(network, plain_picture(), name)
        assert plotted.caption == values(network, plain_picture(), name).caption
        assert plotted.recipe is not None and plotted.recipe.function == "values"
    with pytest.raises(UnknownLayer, match="no layer 'conv9'"):
        activations(planted_network(), plain_picture(), "conv9")


def test_a_tensor_is_an_input_too() -> None:
    network = planted_network()
    tensor = network.preprocess(edge_picture())
    from_tensor, from_picture = (activations(network, given, "conv1") for given in (tensor, edge_picture()))
    np.testing.assert_array_equal(from_tensor.array, from_picture.array)


def test_of_ten_crops_the_center_is_shown() -> None:
    network = planted_network()
    network = replace(
        network, input_spec=network.input_spec.replace(crops=10, resize="squash", resize_size=40)
    )
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[20:] = 255
    maps = answer(network, open_photograph(picture), "conv1")
    assert maps.shape == (8, 32, 32)
    assert maps[3, 15:17, 2:-2].min() > 0.9  # an edge at row 16 of the center crop only


def test_recorded_answers_are_the_same_and_only_for_their_own_picture() -> None:
    network, photograph = planted_network(), open_photograph(edge_picture())
    alone = answer(network, photograph, "conv1")
    with recorded(network, photograph, ["conv1", "conv2"]):
        np.testing.assert_array_equal(answer(network, photograph, "conv1"), alone)
        other = answer(network, open_photograph(plain_picture()), "conv1")
        assert not np.array_equal(other, alone)
        assert not np.array_equal(answer(planted_network(channel_order="BGR"), photograph, "pool1"), alone)


def test_vectors() -> None:
    assert is_vector((1, 5)) and is_vector((1, 5, 1, 1))
    assert not is_vector((1, 5, 2, 1)) and not is_vector((5,)) and not is_vector(None)


def test_the_caption_tells_how_many_channels_fit() -> None:
    network = planted_network()
    every = activations(network, edge_picture(), "conv1", columns=1, tile_size=1024)
    assert len(every.tiles) == 5
    assert every.caption.startswith("The first 5 of 8 channels of conv1. the first 5 of 8 tiles")
    strongest = activations(network, edge_picture(), "conv1", order="strongest", columns=1, tile_size=1024)
    assert strongest.caption.startswith("The 5 strongest of 8 channels, strongest first, of conv1.")
    assert "dark to bright" not in activations(network, edge_picture(), "conv1", palette="RdBu_r").caption
