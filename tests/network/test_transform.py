"""A transform of one's own makes the input, whatever it is written with; pictures come back from inputs by it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from convscope.errors import ConvscopeWarning, InputError
from convscope.formats.opening import open_network
from convscope.network.network import Network
from convscope.optimization.feature_visualization import feature_visualization

MEAN, DEVIATION = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.3])


def normalized(image: Image.Image) -> Tensor:
    """What torchvision's Resize, CenterCrop, ToTensor and Normalize do together."""
    image = image.resize((40, 40), Image.Resampling.BILINEAR).crop((4, 6, 36, 34))
    values = torch.from_numpy(np.array(image)).movedim(-1, 0) / 255
    return (values - MEAN[:, None, None]) / DEVIATION[:, None, None]


def as_caffe(image: Image.Image) -> np.ndarray:
    return np.array(image.resize((32, 28)), np.float32)[:, :, ::-1] - (104, 117, 123)


def opened(transform: object) -> Network:
    torch.manual_seed(4)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    )
    return open_network(module.eval(), input_shape=(1, 3, 28, 32), transform=transform)


def test_it_makes_the_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path))
    network = opened(normalized)
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 61, 3), np.uint8))
    x = network.preprocess(photograph)
    torch.testing.assert_close(x, normalized(photograph)[None])
    spec = network.picture_spec
    assert (spec.size, spec.channel_order, spec.provenance["mean"]) == ((28, 32), "RGB", "your transform")
    np.testing.assert_allclose(spec.mean, MEAN, atol=1e-6)
    np.testing.assert_allclose(spec.input_scale, 1 / DEVIATION, rtol=1e-5)
    seen = np.array(photograph.resize((40, 40), Image.Resampling.BILINEAR).crop((4, 6, 36, 34))) / 255
    np.testing.assert_allclose(network.deprocess(x), seen, atol=1e-5)
    (picture,) = feature_visualization(network, "0:1", steps=2, size=24)
    assert picture.array.std() > 0
    assert network.notes == ()


def test_colors_in_another_order_and_range() -> None:
    plain = opened(lambda image: torch.from_numpy(np.array(image.resize((32, 28)))).movedim(-1, 0) / 255)
    assert str(plain.picture_spec) == "as your transform does 28 x 32; RGB; 0..1"
    spec = opened(as_caffe).picture_spec
    assert spec.channel_order == "BGR"
    np.testing.assert_allclose(np.array(spec.mean) * spec.input_scale, (104, 117, 123), rtol=1e-4)
    assert spec.input_scale == pytest.approx(255)


def test_another_transform_is_another_identity() -> None:
    assert opened(normalized).identity != opened(lambda image: normalized(image).flip(2)).identity
    assert opened(normalized).identity == opened(normalized).identity


def test_transforms_that_differ_for_other_sizes_alone_are_others() -> None:
    """At the network's own size both leave a picture as it is: what is kept of one is none of the other's."""

    def resized_by(how: Image.Resampling) -> object:
        return lambda image: torch.from_numpy(np.array(image.resize((32, 28), how))).movedim(-1, 0) / 255

    sharp, smooth = (opened(resized_by(getattr(Image.Resampling, how))) for how in ("NEAREST", "BICUBIC"))
    assert sharp.identity != smooth.identity
    assert opened(resized_by(Image.Resampling.NEAREST)).identity == sharp.identity


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(InputError, match="the transform fails on a picture: ZeroDivisionError"):
        opened(lambda image: 1 / 0)
    with pytest.raises(InputError, match="the transform gives 1 channels; the network expects 3"):
        opened(lambda image: normalized(image)[:1])
    with pytest.warns(ConvscopeWarning, match="more to colors than to shift"):
        opened(lambda image: normalized(image).exp())


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
def test_the_size_that_a_transform_gives_is_that_of_the_layers_where_no_other_is_stated() -> None:
    """The layers had the sizes of a guess, 224 x 224, beside pictures of 28 x 32."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    guessed = open_network(module)
    assert guessed.input_spec is not None and guessed.input_spec.provenance["size"] == "guess"
    assert guessed.notes[0].partition("guessed: ")[2].startswith("224 x 224; RGB; 0..1; minus 0.485")
    for said in ({"transform": normalized}, {"size": (28, 32)}):
        network = open_network(module, **said)  # type: ignore[arg-type]
        assert network.layers["0"].shape == (1, 4, 28, 32) and network.input_spec is not None
        assert network.input_spec.size == (28, 32) and "224" not in str(network.notes)
    stated = open_network(module, input_shape=(1, 3, 28, 32))
    assert stated.input_spec is not None and stated.input_spec.provenance["size"] == "input shape"
