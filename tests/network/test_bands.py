"""Networks of 2, 4, 6 or 13 channels: their pictures are arrays and TIFFs of bands, and everything is shown of them."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from torch import nn

from convscope.errors import InputError, PictureError
from convscope.formats.opening import open_network
from convscope.looking.activations import activations
from convscope.looking.filters import filters
from convscope.network.network import Network
from convscope.optimization.feature_sheet import feature_sheet
from convscope.optimization.feature_visualization import feature_visualization
from convscope.pictures.photograph import check_pictures, open_photograph
from planted import planted_network


def opened(channels: int) -> Network:
    torch.manual_seed(channels)
    module = nn.Sequential(
        nn.Conv2d(channels, 5, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 4),
    )
    return open_network(module.eval(), input_shape=(1, channels, 18, 23))


@pytest.mark.parametrize("channels", [2, 4, 6, 13])
def test_pictures_of_so_many_channels(channels: int, tmp_path: Path) -> None:
    network = opened(channels)
    values = np.random.default_rng(channels).random((18, 23, channels)).astype(np.float32)
    np.save(tmp_path / "picture.npy", values)
    np.save(tmp_path / "whole.npy", (values * 65535).astype(np.uint16))
    expected = torch.from_numpy(values).movedim(-1, 0)[None]
    for picture in (values, str(tmp_path / "picture.npy"), open_photograph(tmp_path / "picture.npy")):
        torch.testing.assert_close(network.preprocess(picture), expected)
    torch.testing.assert_close(network.preprocess(tmp_path / "whole.npy"), expected, atol=1 / 65535, rtol=0)
    if channels != 4:  # four samples are red, green, blue and opacity
        tifffile.imwrite(tmp_path / "bands.tif", values, photometric="minisblack", planarconfig="contig")
        torch.testing.assert_close(network.preprocess(tmp_path / "bands.tif"), expected)
    assert network.class_output and len(network.predict(values, top=2)) == 2
    assert activations(network, tmp_path / "picture.npy", "0").array.std() > 0
    assert network.deprocess(expected).shape == (18, 23, 3)


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_what_its_units_want_to_see(channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path))
    network = opened(channels)
    (picture,) = feature_visualization(network, "0:1", steps=2, size=20)
    assert picture.array.shape == (20, 20 * channels)  # the channels side by side, in gray
    assert feature_sheet(network, "0", channels=2, steps=2, size=20).array.std() > 0
    assert filters(network, "0").array.std() > 0


def test_other_channels_are_refused_in_words() -> None:
    six = np.zeros((20, 20, 6), np.float32)
    with pytest.raises(
        InputError, match=r"expects pictures of 13 channels; chelsea has 3: give an array \(height,"
    ):
        opened(13).preprocess("chelsea")
    with pytest.raises(InputError, match="expects pictures of 13 channels; a picture has 6"):
        opened(13).preprocess(six)
    with pytest.raises(InputError, match="expects pictures of 3 channels; a picture has 6"):
        planted_network().preprocess(six)


@pytest.mark.parametrize("channels", [2, 4, 13])
def test_small_pictures_with_their_channels_first(channels: int, tmp_path: Path) -> None:
    """As PyTorch has them, also as a batch of one; commands take their files as pictures."""
    network = opened(channels)
    values = np.random.default_rng(channels).random((channels, 18, 23)).astype(np.float32)
    for place, stored in (("first.npy", values), ("batch.npy", values[None])):
        np.save(tmp_path / place, stored)
        torch.testing.assert_close(network.preprocess(tmp_path / place), torch.from_numpy(values)[None])
        check_pictures([str(tmp_path / place)])
    np.save(tmp_path / "row.npy", values.reshape(-1))
    with pytest.raises(PictureError, match="is not a picture"):
        check_pictures([str(tmp_path / "row.npy")])


def test_a_network_of_no_picture_is_not_told_to_take_one() -> None:
    row = open_network(nn.Sequential(nn.Conv1d(7, 3, 3)).eval(), input_shape=(1, 7, 20))
    with pytest.raises(
        InputError, match=r"no picture fits: give network\.activations\(\) a tensor, in Python"
    ):
        row.preprocess("chelsea")
    assert row.activations(torch.zeros(1, 7, 20), "0")["0"].shape == (1, 3, 18)


def test_a_mean_is_one_number_for_all() -> None:
    spec = planted_network().picture_spec
    assert spec.replace(mean=0).mean == ()
    assert spec.replace(mean=0.5).mean == (0.5, 0.5, 0.5)
