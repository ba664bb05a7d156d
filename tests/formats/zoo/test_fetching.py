"""The catalog by name, with real files of ../shared/data in the publishers' place."""

import shutil
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from convscope.errors import NetworkFileError
from convscope.formats.zoo import fetching
from convscope.formats.zoo.catalog import CATALOG, Download
from convscope.formats.zoo.fetching import fetch


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path))
    return tmp_path


def test_the_classics_are_all_there() -> None:
    wanted = {
        "bvlc_googlenet",
        "bvlc_reference_caffenet",
        "bvlc_alexnet",
        "squeezenet_v1.1",
        "vgg16",
        "vgg19",
    }
    assert set(CATALOG) == wanted | {"inception5h"}
    for classic in CATALOG.values():
        heavy = [file for file in classic.files if file.megabytes > 1]
        assert heavy
        for file in classic.files:
            assert file.address.startswith("https://")
            assert len(file.sha256) == 64
        assert classic.member is None or len(classic.member_sha256 or "") == 64
        named = {file.name for file in classic.files} | {classic.member}
        assert {classic.opened, classic.weights} <= named | {None}


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(
        NetworkFileError, match=r"no network 'vgg11'. Did you mean 'vgg19' or 'vgg16'.*zoo:vgg16"
    ):
        fetch("vgg11")


def published(content: bytes, name: str) -> Download:
    return Download(name, f"https://example.org/{name}", 1, sha256(content).hexdigest())


def test_files_brought_by_hand_are_taken_where_they_are_the_published_ones(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cache / "zoo" / "vgg16"
    folder.mkdir(parents=True)
    names = [file.name for file in CATALOG["vgg16"].files]
    for name in names:
        (folder / name).write_bytes(b"brought")
    with pytest.raises(
        NetworkFileError, match=r"deploy.prototxt is not the published deploy.prototxt: SHA-256 "
    ):
        fetch("vgg16")
    mine = replace(CATALOG["vgg16"], files=tuple(published(b"brought", name) for name in names))
    monkeypatch.setattr(fetching, "CATALOG", {"vgg16": mine})
    found = fetch("vgg16")
    assert (found.path.name, found.weights) == ("deploy.prototxt", folder / "VGG_ILSVRC_16_layers.caffemodel")


def test_an_archive_gives_its_one_member(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache / "zoo" / "inception5h"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "inception5h.zip", "w") as archive:
        archive.writestr("tensorflow_inception_graph.pb", b"graph")
        archive.writestr("../outside.txt", b"no")
    content = (folder / "inception5h.zip").read_bytes()
    mine = replace(
        CATALOG["inception5h"],
        files=(published(content, "inception5h.zip"),),
        member_sha256=sha256(b"graph").hexdigest(),
    )
    monkeypatch.setattr(fetching, "CATALOG", {"inception5h": mine})
    found = fetch("inception5h")
    assert (found.path.read_bytes(), found.weights) == (b"graph", None)
    assert sorted(path.name for path in folder.iterdir()) == [
        "inception5h.zip",
        "inception5h.zip.checked",
        "tensorflow_inception_graph.pb",
    ]
    found.path.write_bytes(b"another graph")
    assert fetch("inception5h").path.read_bytes() == b"graph"


def test_a_real_network_by_its_name(shared_data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convscope import open_network

    source = shared_data / "caffe" / "squeezenet_v1.1"
    folder = cache / "zoo" / "mine"
    folder.mkdir(parents=True)
    text, weights = next(source.glob("*.prototxt")), next(source.glob("*.caffemodel"))
    shutil.copy(text, folder / "deploy.prototxt")
    shutil.copy(weights, folder / "squeezenet_v1.1.caffemodel")
    classic = CATALOG["squeezenet_v1.1"]
    files = [published((folder / file.name).read_bytes(), file.name) for file in classic.files]
    mine = replace(classic, about="a copy", files=tuple(files))
    monkeypatch.setattr(fetching, "CATALOG", {"mine": mine})
    network = open_network("zoo:mine")
    assert network.input_spec is not None
    assert network.input_spec.mean == (104.0, 117.0, 123.0)
    assert network.class_label(281) == "tabby"
    assert network.origin.source == "zoo:mine"
