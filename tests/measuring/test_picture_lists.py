"""Where many pictures come from: folders, archives, lists, programs; and what is read of them."""

import io
import tarfile
import tracemalloc
import zipfile
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope import measure
from convscope.errors import ConvscopeWarning, PictureError
from convscope.measuring import picture_list
from convscope.measuring.picture_list import is_list, list_pictures
from convscope.measuring.reading import read_input
from convscope.network.input_spec import InputSpec
from convscope.pictures.photograph import open_photograph
from planted import planted_network

NAMES = ("cat/a.png", "cat/deep/b.png", "dog/c.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    for name in (*NAMES, ".thumbs/d.png", "dog/._c.png", "__MACOSX/c.png"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (33, 39, 3), dtype=np.uint8)).save(path)
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    return tmp_path / "pictures"


def test_every_source_gives_the_same_numbers(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder))
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for index, name in enumerate(NAMES):
            archive.add(folder / name, f"{index:04}.png")
            facts = tarfile.TarInfo(f"{index:04}.cls")
            facts.size = 3
            archive.addfile(facts, io.BytesIO(name[:3].encode()))
    lines = [f"{name},{name[:3]},{index}" for index, name in enumerate(NAMES)]
    (folder / "list.csv").write_text("\n".join(["file,imagenet_class,author", *lines]))
    network = planted_network()
    whole = measure(network, folder, ["conv1"])
    assert whole.labels == ["cat", "cat", "dog"]
    sources = [tmp_path / "all.zip", tmp_path / "all.tar", folder / "list.csv"]
    for source in sources:
        found = measure(network, source, ["conv1"])
        assert found.labels == whole.labels, source
        assert found.values("conv1").tobytes() == whole.values("conv1").tobytes(), source
    assert (
        measure(network, tmp_path / "all.zip", ["conv1"])
        .manifest.pictures[1]
        .path.endswith("all.zip/cat/deep/b.png")
    )
    arrays = [np.asarray(Image.open(folder / name)) for name in NAMES]
    given = measure(network, arrays, ["conv1"])
    np.testing.assert_array_equal(given.values("conv1"), whole.values("conv1"))
    other = measure(network, [arrays[0] // 2, *arrays[1:]], ["conv1"])
    assert other.folder != given.folder  # arrays are known by their numbers


def test_one_folder_names_no_class(folder: Path) -> None:
    assert [one.label for one in list_pictures(folder / "cat")] == [None, None]
    assert [one.name for one in list_pictures(folder)] == list(NAMES)


def test_a_pattern_is_the_pictures_behind_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = list_pictures(str(folder / "*" / "**" / "*.png"))
    assert [(one.name, one.label) for one in every] == [
        (one.name, one.label)
        for one in list_pictures(folder)
        if "/" in one.name and one.name.endswith(".png")
    ]
    monkeypatch.chdir(folder)
    cats = list_pictures("c?t")  # a folder that a pattern names is gone through
    assert [one.path for one in cats] == [one.path for one in list_pictures("cat")]
    assert [one.name for one in list_pictures(every[0].path)] == [Path(every[0].path).name]
    with pytest.raises(PictureError, match=r"there is no picture behind .*x\*"):
        list_pictures("x*")


def test_a_list_of_more_pictures_than_its_size_deserves_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a kilobyte of memory: a gigabyte of short rows took eight, and went on."""
    monkeypatch.setattr(picture_list, "MOST_ROWS", (40, 60))
    path = tmp_path / "list.csv"
    path.write_text("path,label\n" + "a,b\n" * 40)
    assert len(list_pictures(path)) == 40
    path.write_text("path,label\n" + "a,b\n" * 41)
    with pytest.raises(
        PictureError, match=r"list\.csv cannot be read as \.csv: it lists more than 40 pictures"
    ):
        list_pictures(path)
    path.write_text("path,label\n" + "a-longer-name.png,b\n" * 61)
    with pytest.raises(PictureError, match="it lists more than 60 pictures"):
        list_pictures(path)


def test_an_archive_that_becomes_another_one_meanwhile(folder: Path, tmp_path: Path) -> None:
    """Other pictures lie in the places of its members: they were measured under their names."""
    archives = []
    for names in (NAMES, NAMES[::-1]):
        archives.append(tmp_path / f"{len(archives)}.tar")
        with tarfile.open(archives[-1], "w") as archive:
            for index, name in enumerate(names):
                archive.add(folder / name, f"{index}.png")
    listed = list_pictures(archives[0])
    assert listed[0].read()
    archives[1].replace(archives[0])
    with pytest.raises(PictureError, match=r"0\.tar has changed since the measurement began"):
        listed[0].read()


def test_what_is_no_list(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.zip").write_bytes(b"nonsense")
    with pytest.raises(PictureError, match=r"wrong.zip cannot be read as .zip: File is not a zip file"):
        list_pictures(tmp_path / "wrong.zip")
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    with pytest.raises(PictureError, match=r"names no column of paths; possible: path, file.*found: a, b"):
        list_pictures(tmp_path / "wrong.csv")
    with pytest.raises(PictureError, match="is no list of pictures"):
        list_pictures(folder / "notes.txt")
    with pytest.raises(PictureError, match="there is no folder or list"):
        list_pictures(tmp_path / "none")
    with pytest.raises(PictureError, match="there are no pictures"):
        list_pictures([])


def test_a_member_that_unpacks_beyond_measure_is_not_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.measuring.archives._UNPACKED", 100_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / NAMES[0], "a.png")
        archive.writestr("b.png", b"\0" * 10**6)
    said = r"b.png takes [\d,]+ bytes and unpacks to 1,000,000; 10\d,\d\d\d is the most for such a picture"
    with pytest.warns(ConvscopeWarning, match=said):
        assert len(measure(planted_network(), tmp_path / "bomb.zip", ["conv1"]).pictures) == 1


def test_a_zip_whose_members_lie_in_one_another_is_refused(folder: Path, tmp_path: Path) -> None:
    """A thousand entries in its directory share one member: a thousand pictures out of one's bytes."""
    with zipfile.ZipFile(tmp_path / "shared.zip", "w") as archive:
        archive.write(folder / NAMES[0], "0.png")
        archive.writestr("notes.txt", "")  # takes no bytes, and overlaps nothing
        archive.write(folder / NAMES[0], "apart.png")
    assert len(list_pictures(tmp_path / "shared.zip")) == 2
    with zipfile.ZipFile(tmp_path / "shared.zip", "a") as archive:
        for index in range(1, 1000):
            shared = copy(archive.infolist()[0])
            shared.filename = shared.orig_filename = f"{index}.png"
            archive.filelist.append(shared)
        archive.comment = b"as it is"  # for which the directory is written again
    with pytest.raises(
        PictureError, match=r"shared.zip cannot be read as .zip: 0.png and 1.png overlap in it"
    ):
        list_pictures(tmp_path / "shared.zip")


def test_a_member_is_held_once_while_it_is_unpacked(tmp_path: Path) -> None:
    """zipfile's own read() holds it twice."""
    size = 30_000_000
    with zipfile.ZipFile(tmp_path / "large.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bmp", b"BM" + bytes(size))
    (picture,) = list_pictures(tmp_path / "large.zip")
    tracemalloc.start()
    try:
        content = picture.read()
        assert tracemalloc.get_traced_memory()[1] < 1.5 * size
    finally:
        tracemalloc.stop()
    assert content == b"BM" + bytes(size)


def test_a_tar_whose_header_lies_is_one_line(tmp_path: Path) -> None:
    """One of them says that its places are more than it has, the other that its next name takes gigabytes."""
    sparse, name = tarfile.TarInfo("a.jpg"), tarfile.TarInfo("././@LongLink")
    sparse.type, name.type, name.size = tarfile.GNUTYPE_SPARSE, tarfile.GNUTYPE_LONGNAME, 8 * 10**9
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[386:410], header[482], header[148:156] = b"00000000000\0" * 2, 1, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    for damaged in (bytes(header) + bytes(100), name.tobuf(tarfile.GNU_FORMAT) + bytes(9_000)):
        (tmp_path / "damaged.tar").write_bytes(damaged)
        with pytest.raises(
            PictureError, match=r"damaged.tar cannot be read as .tar: |there is no picture in"
        ):
            list_pictures(tmp_path / "damaged.tar")


def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(tmp_path: Path) -> None:
    from skimage.data import astronaut

    large = Image.fromarray(astronaut()).resize((1900, 1700), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.jpg", quality=95)
    (picture,) = list_pictures(tmp_path)
    spec = InputSpec((200, 210), resize="squash", resize_size=224)
    read, plain = read_input(spec, picture), spec.to_tensor(tmp_path / "large.jpg")
    assert not isinstance(read, str)
    difference = (read - plain).abs() * 255
    assert 0 < difference.mean() < 0.7 and difference.max() < 12
    caffe = spec.replace(antialias=False)  # picks pixels: another size would give other pixels
    assert read_input(caffe, picture).equal(caffe.to_tensor(tmp_path / "large.jpg"))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "given", ["photos", "photos/*.png", "photos.zip", "list.csv", "photos.tar.gz", ["a.png"]]
)
def test_what_stands_for_several_pictures_is_a_list(
    given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    assert is_list(given) and is_list(Path(given) if isinstance(given, str) else tuple(given))


@pytest.mark.parametrize("given", ["cat.png", "cat[1].png", None, np.zeros((4, 5, 3))])
def test_what_is_one_picture_is_no_list(given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cat[1].png").touch()  # a file's own name, though it looks like a pattern
    assert not is_list(given)


def test_names_in_a_list_are_those_of_single_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples go by their names, and ``~`` is one's home."""
    Image.new("RGB", (5, 4)).save(tmp_path / "own.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    listed = list_pictures(["chelsea", "~/own.png"])
    assert [one.name for one in listed] == ["chelsea", "~/own.png"]
    assert [open_photograph(one.read()).pixels.shape[:2] for one in listed] == [(300, 451), (4, 5)]
