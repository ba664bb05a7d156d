"""What `fuzz` damages, and what is done with it: every file that convscope reads, used as its reader's users do."""

from __future__ import annotations

import contextlib
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from convscope import filters, measure, open_network, rerun
from convscope.atlas.making import begin_atlas, missing_shards
from convscope.atlas.manifest import AtlasManifest
from convscope.atlas.merging import check_atlas, merge_atlas
from convscope.atlas.shard import make_shard
from convscope.errors import InputError
from convscope.looking.layer_table import layer_table
from convscope.measuring.measurements import Measurements
from convscope.measuring.picture_list import list_pictures
from convscope.network.labels import find_label, read_labels
from convscope.pictures.photograph import open_photograph
from fuzz_files import small_module, write_networks, write_pictures
from fuzz_networks import write_rich_networks
from planted import edge_picture, plain_picture, planted_files, planted_network
from torch_cases import branches

WHOLE = 20_000  # parameters: networks of no more are saved and opened again as well


@dataclass(frozen=True)
class Target:
    """A file that is damaged, in the folder that it lies in, and what is done with the folder then."""

    folder: Path
    damaged: str
    use: Callable[[Path], object]

    @property
    def name(self) -> str:
        return f"{self.folder.name}/{self.damaged}"


def use_picture(file: Path, folder: Path) -> None:
    open_photograph(str(folder / file))


def use_network(file: str, folder: Path, **options: object) -> None:
    """Open a network, list its layers, run it once forth and back, save it and open what was saved."""
    if "weights" in options:
        options["weights"] = folder / str(options["weights"])
    network = open_network(folder / file, **options)  # type: ignore[arg-type]
    str(layer_table(network))
    inputs = network.graph.inputs
    fed = network.preprocess(Image.new("RGB", (32, 32))) if network.input_spec else None
    zeros = fed if fed is not None else {name: torch.zeros(shape) for name, shape in inputs.items()}
    network.activations(zeros)
    if sum(one.numel() for one in network.parameters.values()) < WHOLE:
        network.gradient(zeros, network.main_output)
        saved = network.save(folder / "saved.convscope")
        open_network(saved).activations(zeros)
        with contextlib.suppress(InputError):  # what ONNX has no operator for
            saved = network.save(folder / "saved.onnx")
            open_network(saved)


def use_list(file: str, folder: Path) -> None:
    for listed in list_pictures(folder / file)[:5]:
        open_photograph(listed.read())


def use_labels(file: str, folder: Path) -> None:
    labels = read_labels(folder / file)
    find_label(labels, labels[0])


def use_recipe(file: str, folder: Path) -> None:
    rerun(folder / file)


def use_mean(file: str, folder: Path) -> None:
    open_network(folder / "planted.prototxt", mean=folder / file).predict(folder / "edge.png")


def use_sidecar(_: str, folder: Path) -> None:
    open_network(folder / "planted.prototxt").predict(folder / "edge.png")


def use_measurement(_: str, folder: Path) -> None:
    found = Measurements.open(folder)
    str(found.survey(planted_network()))
    (
        found.strongest("conv1:1"),
        found.band("conv1:1", 0.5),
        found.histogram("conv2:0"),
        found.by_class("conv1:2"),
    )
    found.alike("conv1:0"), found.names("conv1"), found.quantiles("prob:1", [0.1])


def use_atlas(_: str, folder: Path) -> None:
    check_atlas(folder)
    manifest = AtlasManifest.open(folder)
    for shard in missing_shards(manifest, folder)[:1]:
        make_shard(str(folder), shard.number)
    merge_atlas(folder, planted_network())


def all_targets(place: Path) -> Iterator[Target]:
    """Write every kind of file below a folder; yield what is to be damaged."""
    (pictures := place / "pictures").mkdir()
    for file in write_pictures(pictures):
        (alone := place / f"picture-{file.stem}-{file.suffix[1:]}").mkdir()
        file.rename(alone / file.name)
        yield Target(alone, file.name, partial(use_picture, Path(file.name)))
    (networks := place / "networks").mkdir()
    for file in write_networks(networks):
        if file.parent == networks:
            (alone := place / f"network-{file.stem}").mkdir()
            file = file.rename(alone / file.name)
        options: dict[str, object] = {}
        if file.name in ("state.pth", "old.pth", "whole.pt"):
            options = {"architecture": small_module(), "input_shape": (1, 3, 16, 16)}
        if file.name.endswith(".caffemodel.h5"):
            shutil.copy(planted_files(place / "planted") / "planted.prototxt", file.parent)
            options = {"weights": file.name}
        opened = "planted.prototxt" if options.get("weights") else file.name
        yield Target(file.parent, file.name, partial(use_network, opened, **options))
    (rich := place / "rich").mkdir()
    for folder, damaged, opened in write_rich_networks(rich):
        options = {}
        if folder.name == "hub" or damaged.endswith(".pth"):
            options = {"architecture": branches(), "input_shape": (1, 3, 24, 24)}
        if damaged == "much.json":
            options = {"weights": "much.h5"}
        yield Target(folder, damaged, partial(use_network, opened, **options))
    yield from _beside_networks(place)
    yield from _lists(place)
    yield from _what_convscope_wrote(place)


def _beside_networks(place: Path) -> Iterator[Target]:
    folder = planted_files(place / "beside")
    Image.fromarray(edge_picture()).save(folder / "edge.png")
    yield Target(folder, "planted.json", partial(use_sidecar, ""))
    yield Target(folder, "planted.caffemodel.h5", partial(use_sidecar, ""))
    yield Target(folder, "planted.prototxt", partial(use_sidecar, ""))
    (folder / "names.json").write_text('{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}')
    (folder / "synset.txt").write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish\n1: a\n")
    for name in ("labels.txt", "names.json", "synset.txt"):
        yield Target(folder, name, partial(use_labels, name))
    mean = np.random.default_rng(0).random((3, 32, 32), np.float32)
    np.save(folder / "mean.npy", mean)
    numbers = b"".join(b"\x2d" + one.tobytes() for one in mean[:, :8, :8].ravel())
    (folder / "mean.binaryproto").write_bytes(b"\x08\x01\x10\x03\x18\x08\x20\x08" + numbers)
    for name in ("mean.npy", "mean.binaryproto"):
        yield Target(folder, name, partial(use_mean, name))


def _lists(place: Path) -> Iterator[Target]:
    (folder := place / "lists").mkdir()
    for name, pixels in (("a.png", edge_picture()), ("b.jpg", plain_picture()), ("c.webp", plain_picture())):
        Image.fromarray(pixels).save(folder / name)
    (folder / "list.csv").write_text("path,label\na.png,edge\nb.jpg,red\nc.webp,red\n")
    with tarfile.open(folder / "shard.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("a.png", "b.jpg", "c.webp"):
            archive.add(folder / name, name)
            label = tarfile.TarInfo(f"{name[0]}.cls")
            label.size = 2
            archive.addfile(label, io.BytesIO(b"17"))
    with zipfile.ZipFile(folder / "pictures.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in ("a.png", "b.jpg", "c.webp"):
            zipped.write(folder / name, f"{name[0]}/{name}")
    for name in ("list.csv", "shard.tar", "pictures.zip"):
        yield Target(folder, name, partial(use_list, name))


def _what_convscope_wrote(place: Path) -> Iterator[Target]:
    """Yield pictures with their recipes, a measurement and an atlas."""
    (folder := place / "recipes").mkdir()
    network = open_network(planted_network().save(folder / "planted.convscope"))
    with contextlib.chdir(folder):
        made = filters(open_network("planted.convscope"), "conv1")
        for name in ("made.png", "made.jpg", "made.webp", "made.svg"):
            with contextlib.suppress(Exception):  # the endings that this picture may have
                made.save(folder / name)
                yield Target(folder, name, partial(use_recipe, name))
    photographs = place / "photographs"
    for index in range(5):
        (inside := photographs / ("cat", "dog")[index % 2]).mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(index).integers(0, 256, (20, 25, 3), np.uint8)
        Image.fromarray(noise).save(inside / f"{index}.png")
    measure(network, photographs, folder=(measured := place / "measured"))
    for file in sorted(measured.rglob("*")):
        if file.is_file():
            yield Target(measured, str(file.relative_to(measured)), partial(use_measurement, ""))
    atlas, planted = place / "atlas", planted_network()
    manifest = AtlasManifest(
        *("planted", planted.identity, {"conv1": 8, "conv2": 3}, 32, 2, "default", 0), shard_units=6
    )
    begin_atlas(planted, manifest, atlas)
    for shard in manifest.shards:
        make_shard(str(atlas), shard.number)
    merge_atlas(atlas, planted)
    for file in sorted(atlas.rglob("*")):
        if file.suffix in (".json", ".safetensors", ".npz", ".js", ".png", ".jpg", ".convscope"):
            yield Target(atlas, str(file.relative_to(atlas)), partial(use_atlas, ""))
