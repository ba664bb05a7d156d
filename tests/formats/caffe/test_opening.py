"""Opening from files and folders: which belong together, and what is said when they do not."""

import shutil
from pathlib import Path

import pytest
import torch

import convscope
from convscope.errors import ConvscopeWarning, InputError, NetworkFileError
from convscope.network.surgery import replace_head
from convscope.pictures.recording import labels_hash


@pytest.fixture
def lenet(shared_data: Path, tmp_path: Path) -> Path:
    for name in ("lenet.prototxt", "lenet_iter_10000.caffemodel"):
        shutil.copy(shared_data / "caffe/old_formats" / name, tmp_path)
    return tmp_path


def test_a_folder_a_description_or_the_weights_open_the_same(lenet: Path) -> None:
    x = torch.rand(1, 1, 28, 28)
    description, weights = lenet / "lenet.prototxt", lenet / "lenet_iter_10000.caffemodel"
    ways = [(lenet, None), (description, None), (description, weights), (weights, None), (str(weights), None)]
    with pytest.warns(
        ConvscopeWarning, match=r"caffemodel is opened with lenet\.prototxt, which was found beside it"
    ):
        answers = [convscope.open_network(a, weights=b).activations(x, "prob")["prob"] for a, b in ways]
    assert all(torch.equal(answers[0], answer) for answer in answers[1:])


def test_weights_alone_bring_their_own_description(lenet: Path, shared_data: Path) -> None:
    x = torch.rand(1, 1, 28, 28)
    network = convscope.open_network(lenet)
    alone = network.save(lenet / "other" / "saved.caffemodel") if (lenet / "other").mkdir() is None else None
    again = convscope.open_network(alone)
    assert torch.equal(network.activations(x, "prob")["prob"], again.activations(x, "prob")["prob"])
    assert list(again.layers) == list(network.layers)


def test_a_description_without_weights_says_so(lenet: Path) -> None:
    (lenet / "lenet_iter_10000.caffemodel").unlink()
    with pytest.warns(ConvscopeWarning, match=r"lenet.prototxt has no weights.*random"):
        convscope.open_network(lenet / "lenet.prototxt")


def test_weights_chosen_among_several_are_named(lenet: Path) -> None:
    """A name that begins alike may be another network's; where none does, or two do, none is taken."""
    shutil.copy(lenet / "lenet_iter_10000.caffemodel", lenet / "other.caffemodel")
    with pytest.warns(
        ConvscopeWarning, match="opened with the weights in lenet_iter_10000.caffemodel, whose name"
    ):
        convscope.open_network(lenet / "lenet.prototxt")
    shutil.move(lenet / "other.caffemodel", lenet / "lenet_iter_5000.caffemodel")
    says = r"may belong to any of lenet_iter_10000.caffemodel, lenet_iter_5000.caffemodel: its parameters are random"
    with pytest.warns(ConvscopeWarning, match=says):
        convscope.open_network(lenet / "lenet.prototxt")


def test_a_choice_is_listed_not_taken(lenet: Path) -> None:
    shutil.copy(lenet / "lenet_iter_10000.caffemodel", lenet / "lenet_iter_5000.caffemodel")
    with pytest.raises(NetworkFileError, match=r"lenet_iter_10000.caffemodel, lenet_iter_5000.caffemodel"):
        convscope.open_network(lenet)


@pytest.mark.parametrize(
    "name, says", [("no/such", "no such file"), ("notes.txt", "convscope opens .*; this ends otherwise")]
)
def test_what_is_no_network(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(NetworkFileError, match=says):
        convscope.open_network(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NetworkFileError, match="holds no files"):
        convscope.open_network(tmp_path / "empty")


def test_what_it_eats_can_be_overruled(lenet: Path) -> None:
    network = convscope.open_network(lenet, input_scale=1.0, labels=[str(digit) for digit in range(10)])
    assert network.input_spec is not None and network.input_spec.provenance["input_scale"] == "you"
    assert network.labels == tuple("0123456789")
    assert network.resolve("prob:7").channel == 7


def test_the_spec_follows_the_files(lenet: Path) -> None:
    (lenet / "train_val.prototxt").write_text(
        'layer { name: "d" type: "Data" top: "data" transform_param { scale: 0.5 mean_value: 33 } }'
    )
    spec = convscope.open_network(lenet).input_spec
    assert spec is not None and (spec.input_scale, spec.mean) == (0.5, (33.0,))
    assert spec.provenance["mean"] == "transform_param in train_val.prototxt"
    (lenet / "preprocessing.json").write_text('{"mean": [7], "crops": 1}')
    spec = convscope.open_network(lenet).input_spec
    assert spec is not None and spec.mean == (7,) and spec.provenance["mean"] == "preprocessing.json"


@pytest.mark.parametrize(
    "values, mean", [((7,), (7,)), ((7, 7, 7), (7,)), ((7, 8), None), ((104, 117, 123), None)]
)
def test_a_mean_of_several_pictures_is_that_of_one(
    lenet: Path, values: tuple[int, ...], mean: object
) -> None:
    """TSN's data layer reads three snippets at once, channels one behind the other; another number is not ours."""
    stated = " ".join(f"mean_value: {value}" for value in values)
    (lenet / "train_val.prototxt").write_text(
        f'layer {{ name: "d" type: "Data" top: "data" transform_param {{ {stated} }} }}'
    )
    spec = convscope.open_network(lenet).input_spec
    assert spec is not None and spec.mean == (mean or ())


def test_a_mean_file_beside_the_network(shared_data: Path, tmp_path: Path) -> None:
    for name in ("bvlc_googlenet/deploy.prototxt", "means/ilsvrc_2012_mean.npy"):
        shutil.copy(shared_data / "caffe" / name, tmp_path)
    with pytest.warns(ConvscopeWarning, match="no weights"):
        spec = convscope.open_network(tmp_path / "deploy.prototxt").input_spec
    assert spec is not None and spec.provenance["mean"].startswith("mean file ilsvrc_2012_mean.npy")
    assert spec.mean.shape == (3, 256, 256)
    assert spec.mean.mean(axis=(1, 2)) == pytest.approx([104.0, 116.7, 122.7], abs=0.1)


def test_labels_beside_the_network(lenet: Path) -> None:
    (lenet / "labels.txt").write_text("\n".join(f"digit {number}" for number in range(10)))
    assert convscope.open_network(lenet).labels[3] == "digit 3"
    (lenet / "lenet.labels.txt").write_text("one\ntwo\n")
    with pytest.warns(ConvscopeWarning, match=r"2 labels .* 10 classes.*left aside"):
        assert convscope.open_network(lenet).labels is None


def test_what_lies_beside_counts_as_the_network(lenet: Path, shared_data: Path) -> None:
    """Labels, means and sidecars change the pictures, so they change the hashes that a rerun checks."""
    first = convscope.open_network(lenet)
    (lenet / "labels.txt").write_text("\n".join("abcdefghij"))
    named = convscope.open_network(lenet)
    (lenet / "preprocessing.json").write_text('{"input_scale": 1}')
    scaled = convscope.open_network(lenet)
    assert first.sha256 == named.sha256 == scaled.sha256
    assert first.identity == named.identity != scaled.identity
    assert labels_hash(first) != labels_hash(named)
    shutil.copy(
        shared_data / "caffe/means/ilsvrc_2012_mean.npy", lenet
    )  # of three channels: another network's
    assert convscope.open_network(lenet).input_spec.mean == ()


def test_saved_weights_open_beside_another_description(lenet: Path) -> None:
    """What convscope saves describes itself: a deploy.prototxt that lies there belongs to something else."""
    network = replace_head(convscope.open_network(lenet), ["odd", "even"])
    (lenet / "lenet.prototxt").rename(lenet / "deploy.prototxt")
    tuned = convscope.open_network(network.save(lenet / "tuned.caffemodel"))
    assert tuned.class_count == 2
    with pytest.warns(ConvscopeWarning, match=r"opened with deploy\.prototxt"):
        assert convscope.open_network(lenet / "lenet_iter_10000.caffemodel").class_count == 10


def test_rules_choose_among_the_layers(tmp_path: Path) -> None:
    text = """
    layer { name: "d" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
    layer { name: "a" type: "ReLU" bottom: "data" top: "a" include { phase: TEST not_stage: "deep" } }
    layer { name: "b" type: "TanH" bottom: "data" top: "b" include { phase: TRAIN } }
    layer { name: "c" type: "AbsVal" bottom: "data" top: "c" include { stage: "deep" } }
    """
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    assert list(convscope.open_network(path).layers) == ["data", "a"]
    assert list(convscope.open_network(path, rules={"phase": "TRAIN"}).layers) == ["data", "b"]
    assert list(convscope.open_network(path, rules={"stages": ["deep"]}).layers) == ["data", "c"]
    with pytest.raises(InputError, match=r"found .'stage'."):
        convscope.open_network(path, rules={"stage": "deep"})


@pytest.mark.parametrize(
    "option, says",
    [
        ({"device": "foo"}, "no device 'foo'"),
        ({"device": "cuda:99"}, "no device 'cuda:99'"),
        ({"device": "mps"}, r"no device 'mps' to run on \(.{1,120}\); 'cpu' is"),  # torch says a page
        ({"input_shape": 5}, "not 5"),
        ({"input_shape": (1, 1.5, 28, 28)}, r"not \(1, 1.5"),
        ({"input_shape": (1, 1, -28, 28)}, "whole numbers from 1 on"),
    ],
)
def test_options_no_network_can_have(lenet: Path, option: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        convscope.open_network(lenet, **option)


@pytest.mark.parametrize("name", ["x" * 5000 + ".prototxt", "a\0b.prototxt"])
def test_names_no_file_can_have(name: str) -> None:
    with pytest.raises(NetworkFileError, match="no such file"):
        convscope.open_network(name)


def test_what_describes_itself_is_not_read_with_a_description_whose_name_it_only_begins_with(
    lenet: Path,
) -> None:
    network = convscope.open_network(lenet, input_shape=(3, 1, 28, 28))
    saved = network.save(lenet / "lenet_edited.caffemodel")
    assert convscope.open_network(saved).layers["data"].shape == (3, 1, 28, 28)
