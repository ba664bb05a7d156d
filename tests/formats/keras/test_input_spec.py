"""What a Keras network expects: told by its own layers, else guessed from its name and said to be a guess."""

import pytest
import torch

from convscope import open_network
from plain_keras import functional, input_layer, layer, write_h5


def spec_of(tmp_path, name, *layers, channels=3):
    made = [
        input_layer((8, 8, channels)),
        *layers,
        layer("Flatten", "flat", layers[-1]["name"] if layers else "photo"),
    ]
    return open_network(
        write_h5(tmp_path / "net.h5", functional(name, made, ["photo"], ["flat"]), {})
    ).input_spec


MANNERS = {
    "vgg16": (
        "BGR",
        lambda rgb: (rgb * 255).flip(1) - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1),
    ),
    "resnet50": (
        "BGR",
        lambda rgb: (rgb * 255).flip(1) - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1),
    ),
    "resnet50v2": ("RGB", lambda rgb: rgb * 2 - 1),
    "inception_v3": ("RGB", lambda rgb: rgb * 2 - 1),
    "mobilenetv2_1.00_224": ("RGB", lambda rgb: rgb * 2 - 1),
    "densenet121": (
        "RGB",
        lambda rgb: (
            (rgb - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
            / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        ),
    ),
    "mine": ("RGB", lambda rgb: rgb),
}


@pytest.mark.parametrize("name", MANNERS)
def test_a_name_is_a_guess(tmp_path, name):
    order, prepared = MANNERS[name]
    spec = spec_of(tmp_path, name)
    rgb = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(spec.from_rgb(rgb).movedim(-1, 1), prepared(rgb), rtol=1e-4, atol=1e-4)
    assert (spec.channel_order, spec.layout) == (order, "NHWC")
    assert "guessed: channel_order" in str(spec)


def test_layers_that_prepare_the_picture_eat_it_raw(tmp_path):
    spec = spec_of(tmp_path, "vgg16", layer("Rescaling", "to_one", "photo", scale=1 / 255))
    assert (spec.raw_scale, spec.mean, spec.channel_order) == (255.0, (), "RGB")
    assert spec.provenance["raw_scale"] == "the model's own layer 'to_one'"


def test_gray_and_other_channels(tmp_path):
    gray = spec_of(tmp_path, "xception", channels=1)
    assert (gray.channel_order, gray.mean, gray.shape) == ("GRAY", (127.5,), (1, 8, 8, 1))
    assert spec_of(tmp_path, "many", channels=5).channel_order == "BANDS"


def test_a_sidecar_overrules(tmp_path):
    (tmp_path / "net.json").write_text('{"channel_order": "RGB", "mean": [1, 2, 3]}')
    spec = spec_of(tmp_path, "vgg16")
    assert (spec.channel_order, spec.mean) == ("RGB", (1.0, 2.0, 3.0))


def test_layers_that_prepare_the_picture_are_found_behind_augmentation_and_resizing(tmp_path):
    """As every tutorial has it: augment, then rescale. Numbers of 0 to 1 were guessed, and the classes were wrong."""
    augmented = (
        layer("RandomFlip", "flip", "photo", mode="horizontal"),
        layer("Resizing", "small", "flip", height=8, width=8, interpolation="bilinear"),
        layer("Rescaling", "to_one", "small", scale=1 / 127.5, offset=-1),
    )
    spec = spec_of(tmp_path, "mine", *augmented)
    assert (spec.raw_scale, spec.mean, spec.input_scale) == (255.0, (), 1.0)
    assert spec.provenance["mean"] == "the model's own layer 'to_one'"
    later = (layer("ReLU", "relu", "photo"), layer("Rescaling", "half", "relu", scale=0.5))
    assert spec_of(tmp_path, "mine", *later).raw_scale == 1.0


def test_a_picture_that_comes_second_is_prepared_by_its_own_layers(tmp_path):
    """Numbers of 0 to 1 were guessed for it, and its open size was called the file's."""
    layers = [
        input_layer((4,), "by"),
        input_layer((None, None, 3), "photo"),
        layer("Rescaling", "to_one", "photo", scale=1 / 255),
        layer("GlobalAveragePooling2D", "means", "to_one"),
        layer("Concatenate", "row", "means", "by"),
    ]
    path = write_h5(tmp_path / "net.h5", functional("mine", layers, ["by", "photo"], ["row"]), {})
    spec = open_network(path, inputs={"by": 0.5}).input_spec
    assert (spec.raw_scale, spec.provenance["raw_scale"]) == (255.0, "the model's own layer 'to_one'")
    assert "size" in spec.guesses
    network = open_network(path, inputs={"by": 0.5}, size=(32, 40))
    assert network.graph.inputs == {"photo": (1, 32, 40, 3)} and "size" not in network.input_spec.guesses
