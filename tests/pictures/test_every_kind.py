"""Every kind of file that Pillow reads is read, whatever it is called; no small file takes what it does not deserve."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.errors import NetworkFileError, PictureError
from convscope.formats.opening import open_network
from convscope.measuring.picture_list import list_pictures
from convscope.network.fine_tuning import image_folder
from convscope.pictures.decoding import decoded_image, picture_endings
from convscope.pictures.libtiff import libtiff_silent
from convscope.pictures.photograph import open_photograph, read_picture
from convscope.pictures.picture import Picture

PIXELS = np.random.default_rng(3).integers(0, 256, (24, 40, 3), dtype=np.uint8)
LOSSLESS = (".png", ".bmp", ".tif", ".tga", ".pcx", ".sgi", ".ppm", ".dib", ".qoi", ".dds", ".jp2")


@pytest.mark.parametrize("ending", LOSSLESS)
def test_what_pillow_writes_is_read(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture{ending}"
    options = {"irreversible": False} if ending == ".jp2" else {}
    Image.fromarray(PIXELS).save(path, **options)
    np.testing.assert_array_equal((read_picture(path) * 255).round(), PIXELS)
    assert ending in picture_endings()


def test_icons_and_animations_are_read(tmp_path: Path) -> None:
    for ending in (".ico", ".icns", ".gif", ".webp", ".avif"):
        Image.fromarray(PIXELS).resize((32, 32)).save(tmp_path / f"picture{ending}")
        assert read_picture(tmp_path / f"picture{ending}").shape[2] == 3


def test_a_tiff_of_planes_is_read(tmp_path: Path) -> None:
    import tifffile

    path = tmp_path / "planes.tif"
    tifffile.imwrite(path, PIXELS.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal((read_picture(path) * 255).round(), PIXELS)


def _with_tag(path: Path, tag: int, value: int) -> Path:
    """Change a number of a TIFF's directory, and nothing else."""
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<HHI", tag, 3, 1))
    content[at + 8 : at + 10] = struct.pack("<H", value)
    path.write_bytes(content)
    return path


def test_a_damaged_tiff_says_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The library that reads its bands logs a line for each part that it cannot read."""
    tags = ((256, 3, 1, 8), (257, 260, 1, 8), (769, 768, 1, 0), (277, 256, 1, 3))
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    (tmp_path / "a.tif").write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4))
    with pytest.raises(PictureError, match="a TIFF of a kind that is not read"):
        open_photograph(tmp_path / "a.tif")
    assert not caplog.records


def test_what_libtiff_says_of_a_damaged_picture_stays_unsaid(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It writes to the process's stderr; who reads the same file with Pillow still sees that, before and after."""
    path, noise = tmp_path / "a.tif", np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(path, compression="tiff_lzw")
    damaged = bytearray(path.read_bytes())
    damaged[400:2000] = bytes([0xFF]) * 1600
    path.write_bytes(damaged)
    for read, said in ((_by_pillow, True), (open_photograph, False), (_by_pillow, True)):
        with pytest.raises((PictureError, OSError)):
            read(path)
        assert bool(capfd.readouterr().err) == said
    with libtiff_silent():  # as another thread that still reads
        for read in (open_photograph, _by_pillow):
            with pytest.raises((PictureError, OSError)):
                read(path)
    assert not capfd.readouterr().err


def _by_pillow(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [
        (259, 50001, "a TIFF whose compression is not read here"),
        (258, 64, "a TIFF of a kind that is not read"),
    ],
)
def test_a_tiff_that_is_not_read_is_not_called_damaged(
    tag: int, value: int, message: str, tmp_path: Path
) -> None:
    Image.new("L", (30, 20), 90).save(tmp_path / "a.tif", compression="tiff_lzw")
    with pytest.raises(PictureError, match=message) as caught:
        open_photograph(_with_tag(tmp_path / "a.tif", tag, value))
    assert "damaged or incomplete" not in str(caught.value)


def test_a_text_that_is_called_a_targa_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.tga").write_text("nothing of the kind, but long enough to be mistaken for one" * 9)
    with pytest.raises(PictureError):
        read_picture(tmp_path / "notes.tga")


def test_one_list_of_endings_for_every_folder(tmp_path: Path) -> None:
    for kind in ("one", "two"):
        (tmp_path / kind).mkdir()
        Image.fromarray(PIXELS).save(tmp_path / kind / "a.tif")
    assert [one.name for one in list_pictures(tmp_path / "one")] == ["a.tif"]
    assert len(image_folder(tmp_path)[0]) == 2
    with pytest.raises(PictureError, match="it holds 1 picture"):
        read_picture(tmp_path / "one")


@pytest.mark.parametrize(
    "name", ["~tilde.png", "\udcff\udcfe.png", "鳥" * 80 + ".png", "-dash.png", "a b\n.png"]
)
def test_a_file_may_be_called_anything(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PIXELS).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(name)
    photograph = open_photograph(name)
    np.testing.assert_array_equal((photograph.pixels * 255).round(), PIXELS)
    from convscope.pictures.recording import recipe_of

    recipe = recipe_of("filters", {}, picture=photograph)
    made = Picture(PIXELS, f"of {photograph.name}", recipe).save("made.png")
    again = Picture.open(made).recipe
    assert again is not None and again.picture == name


def test_a_picture_that_is_not_there_is_said_so() -> None:
    with pytest.raises(PictureError, match=r"there is no picture 'missing\.png'"):
        Picture.open("missing.png")


def test_a_link_that_leads_nowhere_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "gone.onnx").symlink_to("moved.onnx")
    with pytest.raises(PictureError, match=r"loop\.png is a link to 'loop\.png', which leads to no file"):
        read_picture(tmp_path / "loop.png")
    with pytest.raises(NetworkFileError, match=r"gone\.onnx: it is a link to 'moved\.onnx'"):
        open_network(tmp_path / "gone.onnx")


def bits(side: int, folder: Path) -> Path:
    """Write a PNG of one-bit pixels, all black."""
    import png

    rows = zlib.compress(b"\0" * (side * (side // 8 + 1)), 9)
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    with (folder / "bits.png").open("wb") as file:
        png.write_chunks(file, [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")])
    return folder / "bits.png"


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak of memory is read where Linux says it"
)
def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    measure = (
        "import sys; from convscope.pictures.photograph import open_photograph as o; p = o(sys.argv[1]); "
        "status = open('/proc/self/status').read(); "  # getrusage counts what the process had before it was this one
        "print(p.pixels.shape[0], status.split('VmHWM:')[1].split()[0], *p.notes)"
    )
    found = subprocess.run(
        [sys.executable, "-c", measure, bits(8192, tmp_path)], capture_output=True, text=True, check=True
    )
    side, kilobytes = map(int, found.stdout.split()[:2])
    assert side == 2731 and kilobytes < 500_000
    assert "read at 1/3 of its size" in found.stdout


def test_the_pixels_that_a_small_file_was_read_smaller_from_are_given_back(tmp_path: Path) -> None:
    """Threads that read ahead held all of each picture's besides what was left of them."""
    with Image.open(bits(4096, tmp_path)) as image:
        assert decoded_image(image, "bits.png", small=True).pixels.shape == (2048, 2048, 3)
        with pytest.raises(ValueError, match="closed"):
            image.getpixel((0, 0))


def test_what_unfolds_without_measure_is_refused() -> None:
    file = io.BytesIO()
    Image.new("RGBA", (8000, 8000)).save(file, "PNG")
    with pytest.raises(PictureError, match="so much is not read from so little"):
        read_picture(file.getvalue())


def test_a_file_of_many_pages_is_not_counted_to_its_end(tmp_path: Path) -> None:
    page = Image.new("L", (4, 4))
    page.save(tmp_path / "many.tif", save_all=True, append_images=[page] * 150)
    assert open_photograph(tmp_path / "many.tif").notes == ("the first of more than 100 frames",)
    page.save(tmp_path / "three.tif", save_all=True, append_images=[page] * 2)
    assert open_photograph(tmp_path / "three.tif").notes == ("the first of its 3 frames",)
