"""What the data layer in a caffemodel says of the pictures it was trained on, where no nearer file says it."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from convscope import open_network
from convscope.errors import ConvscopeWarning, InputGuess
from convscope.network.input_spec import InputSpec
from protobuf_oracle import parse_text
from zoo import conv, expects
from zoo_files import first_generation, second_generation, with_weights

DATA = {
    0: 'layers {{ layer {{ name: "d" type: "data" source: "lmdb" batchsize: 2 {} }} top: "data" top: "label" }}',
    1: 'layers {{ name: "d" type: DATA top: "data" top: "label" data_param {{ source: "lmdb" {} }} }}',
    2: 'layer {{ name: "d" type: "Data" top: "data" top: "label" include {{ phase: TRAIN }} '
    'transform_param {{ {} }} data_param {{ source: "lmdb" }} phase: TRAIN }}',
}
GENERATIONS = {0: first_generation, 1: second_generation, 2: lambda net: net}
STATED = "transform_param in net.caffemodel"


def spec_of(folder: Path, data: str, generation: int = 2, size: int = 23, channels: int = 3) -> InputSpec:
    """Return what a deploy text expects beside weights that were trained behind that data layer."""
    text = expects(1, channels, size, size) + conv("c", "data", 4, 5, "stride: 3")
    numbers = {"c": [np.ones((4, channels, 5, 5), np.float32), np.zeros(4, np.float32)]}
    trained = GENERATIONS[generation](with_weights(parse_text(text), numbers))
    trained.ClearField("input")
    trained.ClearField("input_dim")
    for layer in [layer for layer in trained.layer if layer.type == "Input"]:
        trained.layer.remove(layer)
    trained.MergeFrom(parse_text(data))
    (folder / "net.prototxt").write_text(text)
    (folder / "net.caffemodel").write_bytes(trained.SerializeToString())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputGuess)
        spec = open_network(folder / "net.prototxt", weights=folder / "net.caffemodel").input_spec
    assert spec is not None
    return spec


@pytest.mark.parametrize("generation", DATA)
def test_the_weights_data_layer_of_every_generation(tmp_path: Path, generation: int) -> None:
    mean = np.arange(3 * 31 * 31, dtype=np.float32).reshape(3, 31, 31)
    np.save(tmp_path / "average.npy", mean)
    old = ("meanfile", "cropsize") if generation == 0 else ("mean_file", "crop_size")
    said = f'scale: -0.017 {old[0]}: "C:\\\\nets\\\\average.npy" {old[1]}: 23 mirror: true'
    spec = spec_of(tmp_path, DATA[generation].format(said), generation)
    assert (spec.input_scale, spec.raw_scale, spec.resize) == (pytest.approx(-0.017), 255, "direct")
    assert spec.mean == pytest.approx(mean.mean(axis=(1, 2)))
    assert spec.provenance["input_scale"] == spec.provenance["raw_scale"] == STATED
    assert spec.provenance["mean"] == "mean file average.npy, averaged: its size is 31 x 31"
    assert "channel_order" in spec.guesses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputGuess)
        network = open_network(tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel")
    assert tmp_path / "average.npy" in network.origin.files  # named like no mean beside a network is


def test_what_a_transform_leaves_out_is_not_done(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, DATA[2].format("mirror: true"), size=224)
    assert (spec.input_scale, spec.mean, spec.resize) == (1, (), "direct")
    assert not {"mean", "input_scale", "resize"} & set(spec.guesses)
    cropped = spec_of(tmp_path, DATA[2].format("mean_value: 7 crop_size: 224"), size=224)
    assert (cropped.mean, cropped.resize) == ((7, 7, 7), "squash")
    assert "resize" in cropped.guesses and "mean" not in cropped.guesses
    gray = spec_of(tmp_path, DATA[2].format("mean_value: 33.5"), channels=1)
    assert (gray.mean, gray.input_scale) == ((33.5,), 1)  # where the guess was 1/256
    missing = spec_of(tmp_path, DATA[2].format(f'mean_file: "/mnt/{"m" * 300}.binaryproto"'))
    assert missing.mean == (104, 117, 123) and "mean" in missing.guesses


def test_the_layer_that_makes_the_input_and_what_is_nearer(tmp_path: Path) -> None:
    labels = DATA[2].format("scale: 3").replace('top: "data" top: "label"', 'top: "ground"')
    both = labels + DATA[2].format("scale: 0.5 mean_value: [1, 2, 3]").replace('"d"', '"e"')
    spec = spec_of(tmp_path, both)
    assert (spec.input_scale, spec.mean) == (0.5, (1, 2, 3))
    (tmp_path / "train_val.prototxt").write_text(DATA[2].format("scale: 0.25"))
    spec = spec_of(tmp_path, both)
    assert (spec.input_scale, spec.mean) == (0.25, ())
    assert spec.provenance["mean"] == "transform_param in train_val.prototxt"


@pytest.mark.parametrize(
    "said, says",
    [
        ("scale: 0", "with the scale 0 every picture is the same"),
        ("scale: nan", "with the scale nan every"),
        ("scale: inf", "with the scale inf every"),
        ("mean_value: [1, nan, 3]", "a mean_value is no number; none of them is used"),
    ],
)
def test_numbers_that_no_picture_survives(tmp_path: Path, said: str, says: str) -> None:
    with pytest.warns(ConvscopeWarning, match=f"{STATED}: {says}"):
        spec = spec_of(tmp_path, DATA[2].format(said))
    assert np.isfinite(spec.to_tensor(np.full((9, 9, 3), 0.5)).numpy()).all()
    field = "mean" if "mean" in said else "input_scale"
    assert field in spec.guesses


def test_means_of_other_channels_are_left_aside(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, DATA[2].format("mean_value: [1, 2] scale: 2"))
    assert spec.mean == (104, 117, 123) and "mean" in spec.guesses and spec.input_scale == 2


def test_lenet_says_that_it_was_trained_on_numbers_below_one(shared_data: Path, tmp_path: Path) -> None:
    for name in ("lenet.prototxt", "lenet_iter_10000.caffemodel"):
        shutil.copy(shared_data / "caffe/old_formats" / name, tmp_path)
    text = (tmp_path / "lenet.prototxt").read_text()
    (tmp_path / "lenet.prototxt").write_text(text.replace('"LeNet"', '"digits"'))
    spec = open_network(
        tmp_path / "lenet.prototxt", weights=tmp_path / "lenet_iter_10000.caffemodel"
    ).input_spec
    assert spec is not None and (spec.input_scale, spec.raw_scale, spec.mean) == (1 / 256, 255, ())
    assert spec.provenance["input_scale"] == "transform_param in lenet_iter_10000.caffemodel"
