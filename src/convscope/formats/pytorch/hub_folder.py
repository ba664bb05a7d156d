"""A folder as the Hugging Face hub has them: ``config.json``, the weights in one file or in shards, the preprocessing.

timm's folders say which of its networks they are of, and open without another word. transformers' say which class:
their weights need the module, as `architecture`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.errors import NetworkFileError
from convscope.formats.pytorch.libraries import TIMM, preset_spec, timm_spec
from convscope.network.input_spec import InputSpec

CONFIG = "config.json"
INDEX = ".index.json"
_WEIGHTS = (
    *(
        "model.safetensors",
        "pytorch_model.bin",
        "model.safetensors.index.json",
        "pytorch_model.bin.index.json",
    ),
    *("diffusion_pytorch_model.safetensors", "open_clip_model.safetensors", "open_clip_pytorch_model.bin"),
)
_PREPROCESSING = "preprocessor_config.json"
_LARGEST = 16 * 2**20
_RESAMPLES = {0: "nearest", 2: "bilinear", 3: "bicubic"}


@dataclass(frozen=True)
class HubFolder:
    """What a folder says: its file of weights, timm's name for the network or else whose class it is, and the rest."""

    weights: Path
    architecture: str | None
    made_by: str
    spec: InputSpec | None
    labels: Sequence[str] | None


def is_hub_folder(folder: Path) -> bool:
    """Whether a folder holds a configuration and weights, called as the hub calls them."""
    return (folder / CONFIG).is_file() and _weights_in(folder) is not None


def read_hub_folder(folder: Path) -> HubFolder:
    """Read what a folder of the hub says of its network; NetworkFileError where its files are damaged."""
    config, weights = read_json(folder / CONFIG), _weights_in(folder)
    if weights is None:
        raise NetworkFileError(f"{folder} holds no weights ({', '.join(_WEIGHTS[:4])})")
    name = config.get("architecture")
    published = config.get("pretrained_cfg")
    published = published if isinstance(published, dict) else config
    classes = [one for one in config.get("architectures") or () if isinstance(one, str)]
    try:
        spec = timm_spec(published) if isinstance(name, str) and "mean" in published else _own_spec(folder)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise NetworkFileError(f"{folder}: its preprocessing is described wrongly ({error})") from error
    return HubFolder(
        weights,
        f"{TIMM}{name}" if isinstance(name, str) else None,
        f"transformers' {classes[0]}" if classes else "nothing it names",
        spec,
        _labels(config, published),
    )


def shards_of(index: Path) -> Sequence[Path]:
    """Return the files that a list of shards names, all beside it."""
    listed = read_json(index).get("weight_map")
    names = dict.fromkeys(listed.values()) if isinstance(listed, dict) else {}
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise NetworkFileError(f"{index} lists no files of weights (weight_map)")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise NetworkFileError(
            f"{index} lists {len(names)} files, and {len(missing)} of them are not beside it, {missing[0]!r} first"
        )
    return [index.parent / name for name in names]


def index_of(path: Path) -> Path | None:
    """Return the list beside a file that is one shard of several: ``model-00001-of-00003.safetensors``."""
    stem, _, _ = path.stem.rpartition("-of-")
    index = path.with_name(f"{stem.rpartition('-')[0]}{path.suffix}{INDEX}")
    return index if stem and index.is_file() else None


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object out of a file; NetworkFileError for anything else."""
    try:
        if path.stat().st_size > _LARGEST:
            raise NetworkFileError(
                f"{path} is more than {_LARGEST // 2**20} MB: too much for a configuration"
            )
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NetworkFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise NetworkFileError(f"{path} is no JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(found, dict):
        raise NetworkFileError(f"{path} holds no JSON object")
    return found


def _weights_in(folder: Path) -> Path | None:
    return next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)


def _own_spec(folder: Path) -> InputSpec | None:
    """Return what transformers' preprocessing does to a picture, where that is what any network's does."""
    path = folder / _PREPROCESSING
    if not path.is_file():
        return None
    said = read_json(path)
    before = _side(said.get("size"))
    size = _side(said.get("crop_size")) if said.get("do_center_crop") else before
    if before is None or size is None or "image_mean" not in said or not said.get("do_normalize", True):
        return None
    if "crop_pct" in said:
        before = round(size / float(said["crop_pct"]))
    interpolation = _RESAMPLES.get(said.get("resample", 2), "bilinear")
    return preset_spec(
        (size, size), before, (said["image_mean"], said["image_std"]), interpolation, path.name
    )


def _side(said: Any) -> int | None:
    if isinstance(said, Mapping):
        said = said.get("shortest_edge", said.get("height"))
    return said if isinstance(said, int) and said > 0 else None


def _labels(config: Mapping[str, Any], published: Mapping[str, Any]) -> Sequence[str] | None:
    """Return what the classes are called, in their order."""
    names = config.get("label_names") or published.get("label_names")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        said = config.get("label_descriptions") or published.get("label_descriptions") or {}
        return [str(said.get(name, name)) if isinstance(said, dict) else name for name in names]
    numbered = config.get("id2label")
    if not isinstance(numbered, dict) or set(numbered) != {str(number) for number in range(len(numbered))}:
        return None
    return [str(numbered[str(number)]) for number in range(len(numbered))]
