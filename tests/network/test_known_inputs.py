"""Known networks get what was published; guesses are called guesses."""

import pytest

from convscope.errors import InputError
from convscope.network.input_spec import InputSpec
from convscope.network.known_inputs import guess_caffe_input, plain_spec, without_guessed_scale
from convscope.network.parameters import Shape


@pytest.mark.parametrize(
    "name", ["GoogleNet", "CaffeNet", "AlexNet", "SqueezeNet v1.1", "R-CNN-ilsvrc13", "ResNet-50", "nin"]
)
def test_the_model_zoos_imagenet(name: str) -> None:
    spec = guess_caffe_input((10, 3, 227, 227), name)
    assert (spec.channel_order, spec.mean, spec.raw_scale) == ("BGR", (104.0, 117.0, 123.0), 255.0)
    assert (spec.size, spec.resize, spec.resize_size, spec.antialias) == ((227, 227), "squash", 256, True)
    assert spec.provenance["mean"] == "known network"
    assert "guess" not in str(spec)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        (
            "LeNet",
            (64, 1, 28, 28),
            {"channel_order": "GRAY", "mean": (), "input_scale": 1 / 256, "resize": "direct"},
        ),
        (
            "CIFAR10_quick",
            (1, 3, 32, 32),
            {"channel_order": "RGB", "mean": (125.3, 123.0, 113.9), "resize": "direct"},
        ),
        ("VGG_ILSVRC_16_layers", (10, 3, 224, 224), {"mean": (103.939, 116.779, 123.68), "input_scale": 1.0}),
        ("MOBILENET_V2", (1, 3, 224, 224), {"mean": (103.94, 116.78, 123.68), "input_scale": 0.017}),
        ("DENSENET_121", (1, 3, 224, 224), {"input_scale": 0.017, "channel_order": "BGR"}),
    ],
)
def test_other_known_networks(name: str, shape: tuple[int, ...], expected: dict[str, object]) -> None:
    spec = guess_caffe_input(shape, name)
    assert {key: getattr(spec, key) for key in expected} == expected
    assert {spec.provenance[key] for key in expected} == {"known network"}


@pytest.mark.parametrize("name", ["MobileNet-YOLO", "my resnet18 for birds", "vgg16 faces"])
def test_a_name_that_contains_a_known_one_is_no_knowledge(name: str) -> None:
    spec = guess_caffe_input((1, 3, 224, 224), name)
    assert spec.provenance["mean"] == "guess, by the name"
    assert spec.note is not None and "guessed: BGR; 0..255; minus 10" in spec.note
    assert guess_caffe_input((1, 3, 224, 224), "googlenet").note is None


@pytest.mark.parametrize(
    ("shape", "order"), [((1, 3, 224, 224), "BGR"), ((1, 1, 60, 80), "GRAY"), ((1, 3, 60, 80), "BGR")]
)
def test_anything_else_is_a_guess_and_says_so(shape: tuple[int, ...], order: str) -> None:
    spec = guess_caffe_input(shape, "my training network")
    assert spec.channel_order == order
    assert spec.size == shape[2:]
    assert spec.provenance["size"] == "input shape"
    assert "guessed: channel_order, raw_scale, mean, input_scale, resize, crops" in str(spec)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 1, 8, 8), (8, 8)), ((1, 8, 9, 1), (8, 9)), ((1, 100, 1, 1), None), ((1, 1, 1, 3000), None)],
)
def test_a_vector_or_a_signal_is_no_picture_of_one_row(shape: Shape, size: tuple[int, int] | None) -> None:
    spec = plain_spec(shape, channels_last=False)
    assert (spec and spec.size) == size


def test_the_margin_around_the_crop_grows_with_the_size() -> None:
    sizes = {
        side: guess_caffe_input((1, 3, side, side)).resize_size for side in (192, 224, 227, 231, 299, 451)
    }
    assert sizes == {192: 219, 224: 256, 227: 256, 231: 256, 299: 342, 451: 515}


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (3, 8, 8), (1, 3, 0, 8), ()])
def test_an_input_that_eats_no_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expects no picture"):
        guess_caffe_input(shape)


@pytest.mark.parametrize("mean", [(), (0.0, 0.0, 0.0)])
def test_no_scale_is_guessed_where_a_person_says_that_no_mean_is_subtracted(mean: tuple[float, ...]) -> None:
    guess = InputSpec((8, 9), mean=(0.5, 0.4, 0.3), input_scale=(4.0, 5.0, 6.0))
    spec = without_guessed_scale(guess.replace(mean=mean))
    assert spec.input_scale == 1.0
    assert spec.guesses["input_scale"] == "guess, as no mean is subtracted"
    assert guess.replace(mean=mean).note != guess.note


def test_a_guessed_scale_is_said_and_one_of_the_files_stays() -> None:
    guess = InputSpec((8, 9), mean=(0.5, 0.4, 0.3), input_scale=(4.0, 5.0, 6.0))
    said = guess.replace(mean=(0.1, 0.2, 0.3), raw_scale=1.0, channel_order="RGB")
    assert without_guessed_scale(said) == said
    assert "times 4, 5, 6" in str(said.note)
    published = guess.replace(because="the file", input_scale=0.017).replace(mean=())
    assert without_guessed_scale(published) == published
    assert (
        said.replace(input_scale=2.0).note
        == "how a picture becomes its input is guessed in part: 8 x 9 (--input-shape says it, input_shape= in Python)"
    )
    assert said.replace(input_scale=2.0, size=(8, 9)).note is None
