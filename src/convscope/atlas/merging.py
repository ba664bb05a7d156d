"""From shards to a folder that anybody can open: sheets, a table of every unit, and a page without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.atlas.class_effects import ClassEffects, class_effects
from convscope.atlas.layer_map import LayerMap, layer_map
from convscope.atlas.manifest import NAME, PAGE, AtlasManifest
from convscope.atlas.shard import ShardPictures
from convscope.atlas.sheets import write_sheets
from convscope.atlas.tuning_plate import AXES, TILE, early_layers, kept_tunings, tuning_plate
from convscope.atlas.unit_links import neighbors
from convscope.cache import cache_key
from convscope.errors import PictureError, warn
from convscope.files import parsed_json, write_text
from convscope.looking.tuning import Tuning
from convscope.measuring.example import Example
from convscope.measuring.example_sheet import BANDS, bands_of, class_words
from convscope.measuring.listed_picture import ListedPicture
from convscope.measuring.measurements import Measurements
from convscope.measuring.reading import read_input
from convscope.network.network import Network

CROP = 64
_STRONGEST = 5
_IN_A_STRIP = _STRONGEST + len(BANDS)
_BINS = 24
TellMap = Callable[[str, LayerMap], None]


@dataclass(frozen=True, eq=False)
class _Material:
    """What an atlas is merged from."""

    folder: Path
    manifest: AtlasManifest
    network: Network
    measurements: Measurements | None
    crops: _Crops
    tell: TellMap | None
    tunings: Mapping[str, Tuning]
    effects: Mapping[str, ClassEffects]


def merge_atlas(
    folder: Path,
    network: Network,
    measurements: Measurements | None = None,
    listed: Sequence[ListedPicture] = (),
    *,
    tell: TellMap | None = None,
) -> Path:
    """Write the sheets, ``data.js`` and the page of what is made so far, and return the page's path.

    Units whose shard is still missing are said to be so. With what was measured (`measurements`, on the pictures
    `listed`), each unit has its examples, its histogram and how often it fires. With `tell` each layer is laid out as
    a map too, and it is told each layer's name and map.
    """
    manifest = AtlasManifest.open(folder)
    manifest.require_layers(network, folder)
    tunings = kept_tunings(
        network,
        early_layers(network, manifest.layers),
        folder / "work" / f"tuning-{cache_key(network.identity)[:16]}.safetensors",
    )
    effects = (
        class_effects(network, measurements, listed, list(manifest.layers), folder / "work" / "effects")
        if measurements
        else {}
    )
    crops = _Crops(network, listed)
    material = _Material(folder, manifest, network, measurements, crops, tell, tunings, effects)
    layers = [_layer(material, index) for index in range(len(manifest.layers))]
    if lost := list(crops.lost.values()):
        warn(
            f"{len(lost):,} photographs were measured and cannot be read now ({lost[0]}"
            f"{'; ...' if len(lost) > 1 else ''}): their examples stay white; merge it again when they are back"
        )
    seeds = manifest.pictures_per_unit
    data = {
        "network": manifest.network,
        "size": manifest.size,
        "crop": CROP,
        "settings": f"preset {manifest.preset}, {manifest.steps} steps, seed {manifest.seed}"
        + (f" to {manifest.seed + seeds - 1}" if seeds > 1 else "")
        + (", computed in half precision" if manifest.fast else ""),
        "photographs": len(measurements.pictures) if measurements else 0,
        "classes": bool(measurements and len({*measurements.labels} - {None}) > 1),
        "tile": TILE,
        "axes": AXES,
        "version": manifest.version.split()[0],
        "layers": layers,
    }
    facts = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    write_text(f"const ATLAS = {facts};\n", folder / "data.js")
    for name in PAGE:
        page = resources.files(__package__).joinpath(f"static/{name}").read_text(encoding="utf-8")
        write_text(page, folder / name)
    return folder / "index.html"


def check_atlas(folder: Path) -> list[str]:
    """Return what is wrong with an atlas, one line each; nothing where every unit and file is there and whole."""
    manifest, wrong = AtlasManifest.open(folder), []
    for shard in manifest.shards:
        if not shard.path(folder).exists():
            wrong.append(
                f"{shard.layer}:{shard.first} to {shard.end - 1} are not made (shard {shard.number})"
            )
            continue
        try:
            ShardPictures.open(folder, manifest, shard)
        except PictureError as error:
            wrong.append(str(error))
    files = [folder / name for name in (*PAGE, "data.js", NAME)]
    wrong += [f"{path} is missing: merge it again" for path in files if not path.is_file()]
    try:
        sheets = sorted(_sheets_named(folder))
    except PictureError as error:
        return [*wrong, str(error)]
    return wrong + [line for name in sheets if (line := _damage(folder / name))]


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
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        layers = parsed_json(text.removeprefix("const ATLAS = ").rstrip().removesuffix(";"))["layers"]
        return {
            name
            for layer in layers
            for names in (*layer["sheets"], layer["strips"], layer["stimuli"])
            for name in names
        }
    except (ValueError, LookupError, TypeError) as error:
        raise PictureError(
            f"{path} is damaged, or by another version of convscope: merge it again"
        ) from error


def _layer(material: _Material, index: int) -> dict[str, Any]:
    name = list(material.manifest.layers)[index]
    pictures, units = _layer_pictures(material, name)
    facts: dict[str, Any] = {"name": name, "strips": [], "stimuli": [], "map": None, "units": units}
    if name in material.tunings:
        plate = tuning_plate(material.tunings[name])
        for unit, curves in zip(units, plate.units, strict=True):
            unit["tuning"] = curves
        facts["stimuli"] = write_sheets(material.folder, f"{index:03}-stimuli", plate.tiles)
        facts["stimulusCount"] = len(plate.tiles)
    if material.measurements is not None and name in material.measurements.layers:
        facts |= _photograph_facts(material, index, name, units)
    facts["sheets"] = [
        write_sheets(material.folder, f"{index:03}-{f'more{rank}' if rank else 'features'}", tiles)
        for rank, tiles in enumerate(pictures)
    ]
    return facts


def _layer_pictures(material: _Material, name: str) -> tuple[NDArray[np.uint8], list[dict[str, Any]]]:
    """Return a layer's pictures (seeds, units, size, size, 3), each unit's strongest first, and what they reach."""
    folder, manifest = material.folder, material.manifest
    count, size = manifest.layers[name], manifest.size
    pictures = np.full((manifest.pictures_per_unit, count, size, size, 3), 128, np.uint8)
    units: list[dict[str, Any]] = [
        {"made": False} | neighbors(material.network, manifest.layers, (name, channel))
        for channel in range(count)
    ]
    for shard in manifest.shards:
        if shard.layer != name or not shard.path(folder).exists():
            continue
        shard_pictures = ShardPictures.open(folder, manifest, shard)
        for row, channel in enumerate(range(shard.first, shard.end)):
            order = np.argsort(-shard_pictures.reached[row], kind="stable")  # NaN comes last
            pictures[:, channel] = shard_pictures.pictures[row, order]
            verdicts = [_verdict(shard_pictures, (row, int(seed))) for seed in order]
            units[channel] |= verdicts[0] | {"others": verdicts[1:]}
    return pictures, units


def _photograph_facts(
    material: _Material, index: int, name: str, units: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Add to a layer's units what photographs make them answer; return the strips of examples, and the map."""
    measurements, crops = material.measurements, material.crops
    assert measurements is not None
    rows = [_examples(measurements, f"{name}:{channel}") for channel in range(len(units))]
    names = measurements.names(name)
    for channel, (unit, examples) in enumerate(zip(units, rows, strict=True)):
        unit |= _unit_facts(measurements, f"{name}:{channel}", examples, crops.labels)
        unit_name = names.get(channel)
        if name in material.effects:
            unit["effects"] = material.effects[name].of(material.network, channel)
        unit["name"] = unit_name and str(replace(unit_name, label=class_words(unit_name.label, crops.labels)))
    tiles = np.stack([crops.strip(examples) for examples in rows])
    return {
        "strips": write_sheets(material.folder, f"{index:03}-examples", tiles),
        "map": _map(material, measurements, name),
    }


def _map(material: _Material, measurements: Measurements, name: str) -> dict[str, Any] | None:
    if material.tell is None:
        return None
    placement = layer_map(measurements, name)
    material.tell(name, placement)
    return placement.to_dict()


def _verdict(shard_pictures: ShardPictures, place: tuple[int, int]) -> dict[str, Any]:
    reached = float(shard_pictures.reached[place])
    if not np.isfinite(reached):
        return {"made": True, "broken": True}
    return {"made": True, "reached": reached, "asleep": bool(reached <= shard_pictures.plain[place])}


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
    return Path(one.path).name, float(f"{one.value:.7g}"), class_words(one.label, labels)


class _Crops:
    """Cuts examples out of their pictures, each read once while it is among the last 600."""

    def __init__(self, network: Network, listed: Sequence[ListedPicture]) -> None:
        self.labels, self.lost = network.labels, dict[int, str]()
        spec = network.picture_spec.replace(crops=1)

        def picture(index: int) -> Image.Image | None:
            read = read_input(spec, listed[index])
            if isinstance(read, str):
                self.lost[index] = read
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
