"""Samples: what every installation has, and what a server on this machine sends in the publishers' place."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from convscope import samples
from convscope.cli import main
from convscope.errors import PictureError
from convscope.formats.zoo import download
from convscope.formats.zoo.catalog import Download
from convscope.pictures.photograph import open_photograph

CONTENT = {
    "cat.jpg": b"a cat" * 999,
    "lenet.prototxt": b"name: 'l'",
    "lenet_iter_10000.caffemodel": b"w" * 4096,
}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a folder, and let the samples that are in it come from there."""
    folder = tmp_path / "published"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def here(file: Download) -> Download:
        digest = hashlib.sha256(CONTENT[file.name]).hexdigest()
        return replace(
            file, address=f"http://127.0.0.1:{server.server_port}/{file.name}", megabytes=0.01, sha256=digest
        )

    moved = {
        name: replace(sample, files=tuple(map(here, sample.files)))
        if sample.files and all(file.name in CONTENT for file in sample.files)
        else sample
        for name, sample in samples.SAMPLES.items()
    }
    monkeypatch.setattr(samples, "SAMPLES", moved)
    monkeypatch.setattr(download, "SCHEMES", ("http://127.0.0.1:",))
    yield folder
    server.shutdown()
    server.server_close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["samples", *arguments], prog_name="convscope")


def test_what_every_installation_has_needs_no_server(tmp_path: Path) -> None:
    found = list(samples.fetch_samples(tmp_path, ["chelsea.png", "coffee.png", "astronaut.png", "textures"]))
    assert [one.state for one in found] == ["new"] * 4
    for name in ("chelsea", "coffee", "astronaut"):
        assert open_photograph(str(tmp_path / f"{name}.png")).sha256 == open_photograph(name).sha256
    crops = sorted((tmp_path / "textures").rglob("*.png"))
    assert len(crops) == 3 * 12 + 3
    assert {path.parent.name for path in crops} == {"brick", "grass", "gravel", "test"}


def test_no_crop_of_a_texture_is_another_one(tmp_path: Path) -> None:
    list(samples.fetch_samples(tmp_path, ["textures/"]))
    crops = [np.asarray(Image.open(path)).tobytes() for path in (tmp_path / "textures").rglob("*.png")]
    assert len(set(crops)) == len(crops)


def test_files_come_from_their_publisher_and_are_checked(publisher: Path, tmp_path: Path) -> None:
    result = run(str(tmp_path / "here"), "cat.jpg", "lenet/", "-v")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "here" / "cat.jpg").read_bytes() == CONTENT["cat.jpg"]
    assert sorted(path.name for path in (tmp_path / "here" / "lenet").iterdir()) == [
        "lenet.prototxt",
        "lenet_iter_10000.caffemodel",
    ]
    assert "the cat of Caffe's examples (BSD" in result.stderr


def test_another_file_than_the_published_one_is_refused(publisher: Path, tmp_path: Path) -> None:
    (publisher / "cat.jpg").write_bytes(b"no cat" * 999)
    result = run(str(tmp_path / "here"), "cat.jpg")
    assert result.exit_code == 1
    assert "not the published cat.jpg: SHA-256" in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "here" / "cat.jpg").exists()


def test_a_file_that_is_there_stays(publisher: Path, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"mine")
    rows = json.loads(run(str(tmp_path), "cat.jpg", "--json").stdout)
    assert [row["state"] for row in rows] == ["kept"]
    assert (tmp_path / "cat.jpg").read_bytes() == b"mine"


def test_a_folder_with_a_file_missing_is_completed(publisher: Path, tmp_path: Path) -> None:
    run(str(tmp_path), "lenet")
    (tmp_path / "lenet" / "lenet.prototxt").unlink()
    assert json.loads(run(str(tmp_path), "lenet", "--json").stdout)[0]["state"] == "new"
    assert (tmp_path / "lenet" / "lenet.prototxt").exists()


def test_without_a_connection_one_line_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def unreachable(file: Download, _: Path) -> Path:
        tried.append(file.name)
        raise samples.UnreachableError(file.address, "the server cannot be reached")

    monkeypatch.setattr(samples, "downloaded", unreachable)
    result = run(str(tmp_path), "coffee.png", "cat.jpg", "lenet/", "sky.jpg")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [str(tmp_path / "coffee.png")]
    assert result.stderr.splitlines() == [
        "Error: not fetched: cat.jpg, lenet/, sky.jpg (the server cannot be reached). The same command fetches what is "
        "missing"
    ]
    assert tried == ["cat.jpg"]  # the others are on the same server
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coffee.png"]


def test_an_unknown_sample_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    result = run(str(tmp_path), "coffee.png", "cta.jpg")
    assert result.exit_code == 1 and "Did you mean 'cat.jpg'" in result.stderr
    assert not list(tmp_path.iterdir())


def test_every_sample_that_is_downloaded_has_a_checksum_and_a_fixed_address() -> None:
    for sample in samples.SAMPLES.values():
        for file in sample.files:
            assert file.sha256 and len(file.sha256) == 64
            assert "/master/" not in file.address and file.address.startswith("https://")


def test_the_checksums_are_those_of_the_files(shared_data: Path) -> None:
    """The same files, where this machine has them."""
    places = {
        "cat.jpg": "pictures/cat.jpg",
        "sky.jpg": "pictures/sky1024px.jpg",
        "tubingen.jpg": "pictures/tubingen.jpg",
        "starry_night.jpg": "pictures/starry_night_google.jpg",
        "lenet.prototxt": "caffe/old_formats/lenet.prototxt",
        "lenet_iter_10000.caffemodel": "caffe/old_formats/lenet_iter_10000.caffemodel",
        "mini_xception.hdf5": "keras/fer2013_mini_XCEPTION.119-0.65.hdf5",
    }
    files = {file.name: file for sample in samples.SAMPLES.values() for file in sample.files}
    assert files.keys() == places.keys()
    for name, place in places.items():
        content = (shared_data / place).read_bytes()
        assert hashlib.sha256(content).hexdigest() == files[name].sha256
        assert len(content) == round(files[name].megabytes * 1e6)


def test_a_name_without_its_slash_is_the_folder() -> None:
    assert samples.sample_named("lenet").name == "lenet/"
    assert samples.sample_named("coffee").name == "coffee.png"  # as it is called wherever a PICTURE is
    with pytest.raises(PictureError, match="there is no sample 'lenett'"):
        samples.sample_named("lenett")


@pytest.mark.parametrize("name", ["coffee.png", "coffee", "lenet/", "textures"])
def test_a_sample_in_the_folders_place_makes_no_folder_of_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(name, "chelsea.png")
    assert result.exit_code == 2 and not list(tmp_path.iterdir())
    assert f"the FOLDER comes first: convscope samples . {name} chelsea.png" in result.stderr
    assert run(f"./{name}", "chelsea.png").exit_code == 0
    assert run(name, "chelsea.png").exit_code == 0  # somebody has such a folder
