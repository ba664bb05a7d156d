"""From shards to a folder that anybody can open: sheets, a table of every unit, and a page without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.atlas.manifest import NAME, Manifest
from convscope.atlas.neighbors import neighbors
from convscope.atlas.shard import ShardPictures
from convscope.errors import PictureError
from convscope.files import write_text, written_whole
from convscope.measuring.example import Example
from convscope.measuring.example_sheet import BANDS, bands_of, class_words
from convscope.measuring.measurements import Measurements
from convscope.measuring.picture_list import ListedPicture
from convscope.measuring.reading import read_input
from convscope.network.network import Network

SHEET = 4096  # pixels: the longer side of a sheet, at most
CROP = 64
_STRONGEST = 5
_IN_A_STRIP = _STRONGEST + len(BANDS)
_BINS = 24
_PAGE = ("index.html", "atlas.css", "atlas.js")


def merge_atlas(
    folder: Path,
    network: Network,
    measurements: Measurements | None = None,
    listed: Sequence[ListedPicture] = (),
) -> Path:
    """Write the sheets, ``data.js`` and the page of what is made so far, and return the page's path.

    Units whose shard is still missing are said to be so. With what was measured (`found`, on the pictures `listed`),
    each unit has its examples, its histogram and how often it fires.
    """
    manifest = Manifest.open(folder)
    crops = _Crops(network, listed)
    layers = [
        _layer(folder, manifest, index, network, measurements, crops) for index in range(len(manifest.layers))
    ]
    data = {
        "network": manifest.network,
        "size": manifest.size,
        "crop": CROP,
        "settings": f"preset {manifest.preset}, {manifest.steps} steps, seed {manifest.seed}",
        "photographs": len(measurements.pictures) if measurements else 0,
        "version": manifest.version,
        "layers": layers,
    }
    facts = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    write_text(f"const ATLAS = {facts};\n", folder / "data.js")
    for name in _PAGE:
        page = resources.files(__package__).joinpath(f"static/{name}").read_text(encoding="utf-8")
        write_text(page, folder / name)
    return folder / "index.html"


def check_atlas(folder: Path) -> list[str]:
    """Return what is wrong with an atlas, one line each; nothing where every unit and file is there and whole."""
    manifest, wrong = Manifest.open(folder), []
    for shard in manifest.shards:
        if not shard.path(folder).exists():
            wrong.append(
                f"{shard.layer}:{shard.first} to {shard.end - 1} are not made (shard {shard.number})"
            )
            continue
        try:
            shard_pictures = ShardPictures.open(shard.path(folder))
            if len(shard_pictures.pictures) != shard.end - shard.first:
                wrong.append(
                    f"{shard.path(folder)} has {len(shard_pictures.pictures)} units, not {shard.end - shard.first}"
                )
        except PictureError as error:
            wrong.append(str(error))
    files = [folder / name for name in (*_PAGE, "data.js", NAME)]
    wrong += [f"{path} is missing: merge it again" for path in files if not path.is_file()]
    return wrong + [line for name in sorted(_sheets_named(folder)) if (line := _damage(folder / name))]


def _damage(sheet: Path) -> str:
    """Return what is wrong with a sheet, or nothing."""
    try:
        with Image.open(sheet) as image:
            image.load()
    except OSError as error:
        return f"{sheet} is missing or damaged ({error}): merge it again"
    return ""


def _sheets_named(folder: Path) -> set[str]:
    path = folder / "data.js"
    if not path.is_file():
        return set()
    data = json.loads(
        path.read_text(encoding="utf-8").removeprefix("const ATLAS = ").rstrip().removesuffix(";")
    )
    return {name for layer in data["layers"] for name in (*layer["sheets"], *layer["strips"])}


def _layer(
    folder: Path,
    manifest: Manifest,
    index: int,
    network: Network,
    measurements: Measurements | None,
    crops: _Crops,
) -> dict[str, Any]:
    name, size = list(manifest.layers)[index], manifest.size
    count = manifest.layers[name]
    pictures = np.full((count, size, size, 3), 128, np.uint8)
    units = [
        {"made": False} | neighbors(network, manifest.layers, (name, channel)) for channel in range(count)
    ]
    for shard in manifest.shards:
        if shard.layer != name or not shard.path(folder).exists():
            continue
        shard_pictures = ShardPictures.open(shard.path(folder))
        pictures[shard.first : shard.end] = shard_pictures.pictures
        for row, channel in enumerate(range(shard.first, shard.end)):
            units[channel] |= _verdict(shard_pictures, row)
    strips: list[str] = []
    if measurements is not None and name in measurements.layers:
        shown = [_examples(measurements, f"{name}:{channel}") for channel in range(count)]
        for channel, examples in enumerate(shown):
            units[channel] |= _unit_facts(measurements, f"{name}:{channel}", examples, crops.labels)
        tiles = np.stack([crops.strip(examples) for examples in shown])
        strips = _sheets(folder, f"{index:03}-examples", tiles)
    sheets = _sheets(folder, f"{index:03}-features", pictures)
    return {"name": name, "sheets": sheets, "strips": strips, "units": units}


def _verdict(shard_pictures: ShardPictures, row: int) -> dict[str, Any]:
    reached = float(shard_pictures.reached[row])
    if not np.isfinite(reached):
        return {"made": True, "broken": True}
    return {"made": True, "reached": reached, "asleep": bool(reached <= shard_pictures.plain[row])}


def _examples(measurements: Measurements, unit: str) -> list[Example | None]:
    """Return the strongest examples and one of each band; None in the places of those there are not."""
    strongest = [one for one in measurements.strongest(unit, top=_STRONGEST) if one.value > 0]
    bands = [shown for _, shown in bands_of(measurements, unit, strongest, "max", each=1)] or [[]] * len(
        BANDS
    )
    missing: list[Example | None] = [None] * (_STRONGEST - len(strongest))
    return [*strongest, *missing, *(shown[0] if shown else None for shown in bands)]


def _unit_facts(
    measurements: Measurements, unit: str, examples: Sequence[Example | None], labels: Sequence[str] | None
) -> dict[str, Any]:
    values = measurements.values(unit)
    histogram = measurements.histogram(unit, bins=_BINS)
    means = float(measurements.values(unit, "mean").max())
    return {
        "highest": float(values.max()),
        "mean": means,
        "fires": float((values > 0).mean()),
        "histogram": histogram.counts.tolist(),
        "from": float(histogram.edges[0]),
        "alike": [[address, round(r, 3)] for address, r in measurements.alike(unit, top=5)],
        "examples": [None if one is None else _example_facts(one, labels) for one in examples],
    }


def _example_facts(one: Example, labels: Sequence[str] | None) -> tuple[str, float, str]:
    """Return a picture's file name, what the unit answers to it, and its class."""
    return Path(one.path).name, round(one.value, 4), class_words(one.label, labels)


class _Crops:
    """Cuts examples out of their pictures, each read once while it is among the last 600."""

    def __init__(self, network: Network, listed: Sequence[ListedPicture]) -> None:
        self.labels = network.labels
        spec = network.picture_spec.replace(crops=1)

        def picture(index: int) -> Image.Image | None:
            read = read_input(spec, listed[index])
            if isinstance(read, str):
                return None  # it was there when it was measured; its place stays empty
            return Image.fromarray(np.round(network.deprocess(read) * 255).astype(np.uint8))

        self.picture = lru_cache(maxsize=600)(picture)

    def strip(self, examples: Sequence[Example | None]) -> NDArray[np.uint8]:
        """Return crops side by side; white where there is none."""
        strip = Image.new("RGB", (_IN_A_STRIP * CROP, CROP), "white")
        for place, one in enumerate(examples):
            whole = None if one is None else self.picture(one.index)
            if one is None or whole is None:
                continue
            crop = whole.crop(one.box or (0, 0, *whole.size))
            factor = CROP / max(crop.size)
            size = (max(1, round(crop.width * factor)), max(1, round(crop.height * factor)))
            strip.paste(crop.resize(size, Image.Resampling.BICUBIC), (place * CROP, 0))
        return np.asarray(strip)


def _sheets(folder: Path, stem: str, tiles: NDArray[np.uint8]) -> list[str]:
    """Write tiles (tiles, height, width, 3) as JPEG sheets of full rows, and return their names."""
    height, width = tiles.shape[1:3]
    columns, rows = SHEET // width, SHEET // height
    names = []
    for part, start in enumerate(range(0, len(tiles), columns * rows)):
        shown = tiles[start : start + columns * rows]
        used = -(-len(shown) // columns)
        sheet = np.full((used * columns, height, width, 3), 255, np.uint8)
        sheet[: len(shown)] = shown
        array = (
            sheet.reshape(used, columns, height, width, 3)
            .swapaxes(1, 2)
            .reshape(used * height, columns * width, 3)
        )
        name = f"sheets/{stem}-{part}.jpg"
        (folder / "sheets").mkdir(exist_ok=True)
        try:
            with written_whole(folder / name) as partial:
                Image.fromarray(array).save(partial, "JPEG", quality=88, subsampling=0)
        except OSError as error:
            raise PictureError(f"cannot write {folder / name}: {error.strerror or error}") from error
        names.append(name)
    return names
