"""A small file of every kind that convscope reads, for `fuzz` to damage: pictures, and one network in every format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, features

from convscope import open_network
from convscope.pictures.photograph import read_picture
from planted import planted_files, planted_network
from test_formats import write_keras, write_onnx, write_tensorflow

_PLAIN = (
    "bmp",
    "dds",
    "gif",
    "ico",
    "im",
    "jp2",
    "jpg",
    "pcx",
    "png",
    "ppm",
    "sgi",
    "tga",
    "tif",
    "webp",
    "avif",
    "icns",
)


def write_pictures(folder: Path) -> Iterator[Path]:
    """Write a photograph in every format and in the rarer forms of the common ones; yield where."""
    photograph = Image.fromarray((read_picture("chelsea") * 255).astype(np.uint8)).resize((61, 47))
    turned, gray = photograph.rotate(9), np.asarray(photograph.convert("L"))
    for ending in _PLAIN:
        if ending != "avif" or features.check("avif"):
            photograph.save(path := folder / f"plain.{ending}")
            yield path
    exif = Image.Exif()
    exif[0x112], exif[0x9286] = 6, "hello"
    for name, image, options in (
        ("palette.png", photograph.quantize(17), {}),
        ("alpha.png", photograph.convert("RGBA"), {}),
        ("deep.png", Image.fromarray(gray.astype(np.uint16) * 251), {}),
        ("moving.png", photograph, {"save_all": True, "append_images": [turned]}),
        ("moving.gif", photograph, {"save_all": True, "append_images": [turned]}),
        ("moving.webp", photograph, {"save_all": True, "append_images": [turned]}),
        ("print.jpg", photograph.convert("CMYK"), {}),
        ("turned.jpg", photograph, {"exif": exif.tobytes()}),
        ("packed.tif", photograph, {"compression": "tiff_lzw"}),
        ("pages.tif", photograph, {"save_all": True, "append_images": [turned]}),
    ):
        image.save(folder / name, **options)  # type: ignore[arg-type]
        yield folder / name
    np.save(folder / "numbers.npy", np.asarray(photograph))
    np.savez_compressed(folder / "numbers.npz", bands=np.random.default_rng(0).random((20, 30, 5)))
    yield from (folder / "numbers.npy", folder / "numbers.npz")


def write_networks(folder: Path) -> Iterator[Path]:
    """Write the planted network in every format, and a module in PyTorch's; yield where each is."""
    planted = planted_network()
    for name, write in (
        ("keras", write_keras),
        ("onnx", write_onnx),
        ("tensorflow", write_tensorflow),
        ("convscope", lambda place: planted.save(place / "planted.convscope")),
        ("text", lambda place: next(planted_files(place).glob("*.prototxt"))),
        ("weights", lambda place: open_network(planted_files(place)).save(place / "saved.caffemodel")),
        ("weights5", lambda place: open_network(planted_files(place)).save(place / "saved.caffemodel.h5")),
        ("saved", lambda place: planted.save(place / "saved.onnx")),
    ):
        (place := folder / name).mkdir()
        yield Path(write(place))
    yield from _write_modules(folder)


def small_module() -> torch.nn.Module:
    """Return what the files of weights are for."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 5),
    ).eval()


def _write_modules(folder: Path) -> Iterator[Path]:
    module = small_module()
    torch.save(module.state_dict(), folder / "state.pth")
    torch.save(module.state_dict(), folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(module, folder / "whole.pt")
    torch.jit.script(module).save(folder / "script.pt")  # type: ignore[no-untyped-call]
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 16, 16),)), folder / "exported.pt2")
    yield from (folder / name for name in ("state.pth", "old.pth", "whole.pt", "script.pt", "exported.pt2"))
