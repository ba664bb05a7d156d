"""A sidecar overrides what was guessed, survives a round trip, and says which key is wrong."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from convscope.errors import NetworkFileError
from convscope.formats.caffe.means import read_mean
from convscope.network.input_sidecar import find_sidecar, read_sidecar, write_sidecar
from convscope.network.input_spec import InputSpec
from convscope.network.known_inputs import guess_caffe_input

sidecar = partial(read_sidecar, read_mean=read_mean)
SPEC = guess_caffe_input((1, 3, 224, 224), "googlenet")


def written(folder: Path, text: object) -> Path:
    path = folder / "preprocessing.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def test_it_overrides_only_what_it_names(tmp_path: Path) -> None:
    path = written(
        tmp_path, {"channel_order": "RGB", "mean": [1, 2, 3], "size": [200, 100], "antialias": False}
    )
    spec = sidecar(path, SPEC)
    assert (spec.channel_order, spec.mean, spec.size, spec.antialias) == ("RGB", (1, 2, 3), (200, 100), False)
    assert (spec.resize, spec.raw_scale) == (SPEC.resize, SPEC.raw_scale)
    assert spec.provenance["channel_order"] == "preprocessing.json"
    assert spec.provenance["raw_scale"] == "known network"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    mean = np.random.default_rng(0).random((3, 224, 224)).astype(np.float32)
    for spec in (
        SPEC,
        SPEC.with_mean(mean, because="you"),
        InputSpec((5, 4), "GRAY", "NHWC", input_scale=(0.5,), crops=10),
    ):
        again = sidecar(write_sidecar(spec, tmp_path / "deploy.json"), InputSpec((9, 9)))
        assert again.describe().split("(")[0] == spec.describe().split("(")[0]
        for name in (
            "size",
            "channel_order",
            "layout",
            "raw_scale",
            "input_scale",
            "resize",
            "resize_size",
            "crops",
        ):
            assert getattr(again, name) == getattr(spec, name)
        np.testing.assert_array_equal(np.asarray(again.mean), np.asarray(spec.mean))


def test_finding_it(tmp_path: Path) -> None:
    network = tmp_path / "deploy.prototxt"
    assert find_sidecar(network) is None
    shared = written(tmp_path, {})
    assert find_sidecar(network) == shared
    own = tmp_path / "deploy.json"
    own.write_text('{"class_name": "Sequential", "config": []}')  # an architecture of Keras, not ours
    assert find_sidecar(network) == shared
    own.write_text('{"raw_scale": 1}')
    assert find_sidecar(network) == own


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ('{"raw_scale": ' + "1" * 5000 + "}", "is not JSON: a whole number in it has thousands of digits"),
        ("[]", "holds a list; preprocessing is an object"),
        (
            {"chanel_order": "RGB"},
            r"unknown key 'chanel_order'\. Did you mean 'channel_order'\? Possible: size",
        ),
        ({"size": 224}, "'size' is a list of two whole numbers, not 224"),
        ({"size": [224.5, 224]}, "'size' is a list of two whole numbers"),
        ({"mean": [1, "2", 3]}, "'mean' is a list of numbers or a text, not "),
        ({"crops": True}, "'crops' is a whole number, not true"),
        ({"antialias": 1}, "'antialias' is true or false, not 1"),
        ({"channel_order": "XYZ"}, "channel_order cannot be 'XYZ'"),
        ({"mean": [1, 2]}, r"mean has shape \(2,\)"),
        ({"mean": "missing.npy"}, r"missing\.npy"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(text: object, words: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(NetworkFileError, match=words) as caught:
        sidecar(path, SPEC)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mean_that_would_run_code_or_is_no_picture_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    path = written(tmp_path, {"mean": "mean.npy"})
    with pytest.raises(NetworkFileError, match="holds object, not numbers"):
        sidecar(path, SPEC)
    np.save(tmp_path / "mean.npy", np.zeros((4, 4)))
    with pytest.raises(NetworkFileError, match=r"mean has shape \(1, 4, 4\)"):
        sidecar(path, SPEC)
    with pytest.raises(NetworkFileError, match="cannot be read: No such file"):
        sidecar(tmp_path / "nothing.json", SPEC)


def test_a_mean_given_as_an_array_is_written(tmp_path: Path) -> None:
    spec = SPEC.replace(mean=np.array([1, 2, 3], np.float32))
    assert sidecar(write_sidecar(spec, tmp_path / "net.json"), SPEC).mean == (1.0, 2.0, 3.0)


def test_a_file_too_large_to_be_a_sidecar_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "preprocessing.json"
    with path.open("wb") as file:
        file.truncate(100_000_000)  # sparse: takes no space
    with pytest.raises(NetworkFileError, match=r"too large to say how to feed a network: 100,000,000 bytes"):
        sidecar(path, SPEC)
