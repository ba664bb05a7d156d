"""Free pictures and small networks to try things with, those that the documentation's examples name.

Photographs and textures of scikit-image are in every installation; the rest comes from its publishers and is checked.
The checksums are of the files in the publishers' repositories at the commits named here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from convscope.errors import NetworkFileError, PictureError, did_you_mean
from convscope.files import user_path, writing, written_whole
from convscope.formats.zoo.catalog import CATALOG, Download
from convscope.formats.zoo.download import UnreachableError, downloaded
from convscope.formats.zoo.fetching import fetch

_GITHUB = "https://raw.githubusercontent.com"
_CAFFE = f"{_GITHUB}/BVLC/caffe/9b891540183ddc834a02b2bd81b31afae71b2153/examples"
_STYLES = f"{_GITHUB}/jcjohnson/neural-style/07c4b8299f8fbdafec0c514fc820ff1d7ff62e46/examples/inputs"
_DREAMS = f"{_GITHUB}/google/deepdream/bbc2ddf9e7632cc3f4d3e70211e85ae7169f366f"
_LENET = f"{_GITHUB}/ethereon/caffe-tensorflow/d870c51e8fa3452cb210b378c78be7ba4dcc8cf0/examples/mnist"
_FACES = f"{_GITHUB}/oarriaga/face_classification/b861d21b0e76ca5514cdeb5b56a689b7318584f4/trained_models"
_TEXTURES = ("brick", "grass", "gravel")
_CROP = 128  # pixels of a texture's crops
_GOOGLENET = "bvlc_googlenet"


@dataclass(frozen=True)
class Sample:
    """A file, or a folder of a few (its name ends with ``/``): what it is, under which license, where it comes from.

    Without `files` it is in every installation, or the zoo's.
    """

    name: str
    about: str
    license: str
    files: tuple[Download, ...] = ()

    @property
    def megabytes(self) -> float:
        """How much there is to download."""
        zoo = CATALOG[_GOOGLENET].megabytes if self.name == f"{_GOOGLENET}/" else 0.0
        return zoo + sum(file.megabytes for file in self.files)


@dataclass(frozen=True)
class SampleState:
    """What became of a sample: ``state`` is "new", "kept" (it was there already) or "missing", with the reason."""

    sample: Sample
    path: Path
    state: str
    reason: str = ""


def _one(name: str, about: str, license: str, address: str, megabytes: float, digest: str) -> Sample:
    return Sample(name, about, license, (Download(name, address, megabytes, digest),))


SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        sample.name: sample
        for sample in (
            Sample("chelsea.png", "a cat, by Stefan van der Walt", "CC0"),
            Sample("coffee.png", "a cup of coffee, by Rachel Michetti", "CC0"),
            Sample("astronaut.png", "Eileen Collins, by NASA", "public domain"),
            Sample("textures/", "brick, grass and gravel: 12 crops each to learn from, 1 to try", "CC0"),
            _one(
                "cat.jpg",
                "the cat of Caffe's examples",
                "BSD 2-clause, as Caffe",
                f"{_CAFFE}/images/cat.jpg",
                0.140391,
                "59b67bce343d435cb8f79b6abefc6eecc79924abcda6e7c7e39f8173bb932bc1",
            ),
            _one(
                "sky.jpg",
                "clouds, of Google's deepdream",
                "Apache 2.0, as deepdream",
                f"{_DREAMS}/sky1024px.jpg",
                0.065049,
                "779ddda9280908ccda18d7ade2f7f84805bf22cdbce3b61ddddd7ea4a4697050",
            ),
            _one(
                "tubingen.jpg",
                "houses at the Neckar, by Andreas Praefcke",
                "as neural-style's examples",
                f"{_STYLES}/tubingen.jpg",
                0.406531,
                "e67d1869f01fd805385c681a80d9ebcf0f70ea4a5fe6127f0606bb1c7f4bf506",
            ),
            _one(
                "starry_night.jpg",
                "The Starry Night, by Vincent van Gogh, 1889",
                "public domain",
                f"{_STYLES}/starry_night_google.jpg",
                0.613337,
                "c31741a09141c2e2d07fc7aa6bdf135c369b804f9433e43fa3ceac19386d1ee6",
            ),
            Sample(
                "lenet/",
                "LeNet for handwritten digits, a Caffe network",
                "BSD 2-clause, as Caffe; MIT",
                (
                    Download(
                        "lenet.prototxt",
                        f"{_CAFFE}/mnist/lenet.prototxt",
                        0.001738,
                        "c0455d92682937813a6ab5f6bbe9ae3753b454eba00686eddab0335de9712beb",
                    ),
                    Download(
                        "lenet_iter_10000.caffemodel",
                        f"{_LENET}/lenet_iter_10000.caffemodel",
                        1.725006,
                        "846f9133807d2314ca63382069646ec8c11ac87881825efc6b5145339351f967",
                    ),
                ),
            ),
            _one(
                "mini_xception.hdf5",
                "feelings in faces, a Keras network by Octavio Arriaga",
                "MIT",
                f"{_FACES}/fer2013_mini_XCEPTION.119-0.65.hdf5",
                0.868256,
                "c6100e8155bddd8d994d778b0caf8e0b412724fa6df8690e5517f1ff71f495cf",
            ),
            Sample(f"{_GOOGLENET}/", "GoogLeNet for ImageNet, a Caffe network", "unrestricted use"),
        )
    }
)
SMALL = tuple(name for name, sample in SAMPLES.items() if sample.megabytes < 10)


def sample_named(name: str) -> Sample:
    """Return a sample by its name, with or without its ending or ``/``; PictureError offers the closest.

    >>> sample_named("coffee").name
    'coffee.png'
    """
    sample = find_sample(name)
    if sample is None:
        hint = did_you_mean(name, SAMPLES)
        raise PictureError(f"there is no sample {name!r}.{hint} Possible: {', '.join(SAMPLES)}")
    return sample


def find_sample(name: str) -> Sample | None:
    """Return the sample of that name as `sample_named` reads it, None where there is none."""
    wanted = name.rstrip("/")
    names = ((one, one.name.rstrip("/"), Path(one.name).stem) for one in SAMPLES.values())
    return next((one for one, *possible in names if wanted in possible), None)


def fetch_samples(folder: str | Path, names: Sequence[str] = SMALL) -> Iterator[SampleState]:
    """Put samples into a folder, one after the other, and say what became of each.

    A file that is there stays as it is. Where a publisher cannot be reached, its other files are not tried either.

    >>> [found.state for found in fetch_samples("examples", ["coffee.png"])]
    ['new']
    """
    folder, silent = user_path(folder), dict[str, str]()
    for sample in map(sample_named, names):
        path = folder / sample.name
        if _is_whole(sample, path):
            yield SampleState(sample, path, "kept")
            continue
        hosts = {urlsplit(file.address).netloc for file in sample.files}
        if reason := next((silent[host] for host in hosts if host in silent), None):
            yield SampleState(sample, path, "missing", reason)
            continue
        try:
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                _maker(sample)(sample, path)
            yield SampleState(sample, path, "new")
        except UnreachableError as error:
            silent |= dict.fromkeys(hosts, error.reason)
            yield SampleState(sample, path, "missing", error.reason)
        except NetworkFileError as error:
            yield SampleState(sample, path, "missing", str(error))


def _is_whole(sample: Sample, path: Path) -> bool:
    return path.exists() and all((_home(sample, path) / file.name).exists() for file in sample.files)


def _home(sample: Sample, path: Path) -> Path:
    """Return the folder that a sample's files are in."""
    return path if sample.name.endswith("/") else path.parent


def _maker(sample: Sample) -> Callable[[Sample, Path], None]:
    if sample.files:
        return _download
    return {"textures/": _write_textures, f"{_GOOGLENET}/": _copy_googlenet}.get(sample.name, _copy)


def _download(sample: Sample, path: Path) -> None:
    folder = _home(sample, path)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for file in sample.files:
            downloaded(file, folder)
    finally:
        with suppress(OSError):
            folder.rmdir()  # only where nothing came


def _copy(sample: Sample, path: Path) -> None:
    with written_whole(path) as partial:
        shutil.copyfile(_in_skimage(sample.name), partial)


def _copy_googlenet(_: Sample, path: Path) -> None:
    """Copy the zoo's files, which the next ``zoo:bvlc_googlenet`` then has too."""
    fetched = fetch(_GOOGLENET)
    path.mkdir(parents=True, exist_ok=True)
    for source in (fetched.path, fetched.weights):
        if source is not None:
            with written_whole(path / source.name) as partial:
                shutil.copyfile(source, partial)


def _write_textures(_: Sample, path: Path) -> None:
    """Cut each texture into 4 x 4 squares: the first three columns to learn from, one of the last to try."""
    unfinished = path.with_name(f"{path.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in _TEXTURES:
        with Image.open(_in_skimage(f"{name}.png")) as image:
            pixels = np.asarray(image.convert("L"))
        train = unfinished / "train" / name
        train.mkdir(parents=True)
        (unfinished / "test").mkdir(exist_ok=True)
        squares = [(row, column) for row in range(4) for column in range(3)]
        for number, (row, column) in enumerate(squares, 1):
            _square(pixels, row, column).save(train / f"{number:02}.png")
        _square(pixels, 0, 3).save(unfinished / "test" / f"{name}.png")
    unfinished.replace(path)


def _square(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], row: int, column: int) -> Image.Image:
    top, left = row * _CROP, column * _CROP
    return Image.fromarray(pixels[top : top + _CROP, left : left + _CROP])


def _in_skimage(name: str) -> Path:
    import skimage

    return Path(skimage.__file__).parent / "data" / name
