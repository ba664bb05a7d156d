"""A folder as the Hugging Face hub has them: ``config.json``, the weights in one file or in shards, the preprocessing.

timm's folders say which of its networks they are of, transformers' which class. With that package they open without
another word; without it transformers' weights need the module, as `architecture`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convscope.errors import NetworkFileError, WeightsMismatch
from convscope.files import parsed_json
from convscope.formats.pytorch.libraries import TIMM, Architecture, preset_spec, ready_torchvision, timm_spec
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
    transformers_class: str
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
        classes[0] if classes and "auto_map" not in config else "",
        spec,
        _labels(config, published),
    )


def transformers_architecture(folder: HubFolder) -> Architecture | None:
    """Return the class of transformers that a folder names, where that is installed; its own code is never run.

    NetworkFileError for a configuration that is wrong, or speaks of more numbers than the folder's weights have.
    """
    if not folder.transformers_class or find_spec("transformers") is None:
        return None
    ready_torchvision()  # which transformers imports
    architecture: Any = getattr(import_module("transformers"), folder.transformers_class, None)
    if architecture is None or not hasattr(architecture, "config_class"):
        return None
    try:
        config = architecture.config_class.from_pretrained(folder.weights.parent)
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in architecture(config).parameters())
    except Exception as error:  # a library raises what it likes at a configuration that is wrong
        message = (str(error) or type(error).__name__).splitlines()[0]
        raise NetworkFileError(
            f"{folder.weights.parent}: transformers makes no {folder.transformers_class} of its {CONFIG}: {message}"
        ) from error
    size = sum(file.stat().st_size for file in files_of(folder.weights))
    if count > 2 * size:
        raise NetworkFileError(
            f"{folder.weights.parent}: {CONFIG} speaks of {count:,} numbers, its weights are {size:,} bytes"
        )

    def build(classes: int | None) -> nn.Module:
        network: nn.Module = architecture(config)
        return network

    plain = ".safetensors" in folder.weights.name  # in which nothing but numbers can be
    return Architecture(
        folder.transformers_class, build, partial(_load_weights, architecture, folder) if plain else None
    )


def _load_weights(model_class: Any, folder: HubFolder) -> nn.Module:
    """Let transformers read the weights, some of whose names it changed since; WeightsMismatch where one is missing."""
    module, loading = model_class.from_pretrained(
        folder.weights.parent, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    missing = sorted(map(str, [*loading["missing_keys"], *loading.get("mismatched_keys", ())]))
    if missing:
        raise WeightsMismatch(
            f"{folder.weights} does not fit {folder.transformers_class}: {len(missing)} parameters are not in it, "
            f"{missing[0]!r} first"
        )
    network: nn.Module = module.float().eval()
    return network


def files_of(path: Path) -> Sequence[Path]:
    """Return the files in which weights lie: the shards of a list, or the file itself."""
    return shards_of(path) if path.name.endswith(INDEX) else [path]


def shards_of(index: Path) -> Sequence[Path]:
    """Return the files that a list of shards names, all beside it."""
    listed = read_json(index).get("weight_map")
    named = list(listed.values()) if isinstance(listed, dict) else []
    if not named or not all(isinstance(name, str) for name in named):
        raise NetworkFileError(f"{index} lists no files of weights (weight_map)")
    names = dict.fromkeys(named)
    if outside := [name for name in names if name == ".." or Path(name).name != name or "\\" in name]:
        raise NetworkFileError(
            f"{index} names {outside[0]!r} as a file of weights, which is not in the folder of the list; only what "
            "lies beside it is opened"
        )
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


def only_list_in(files: Sequence[Path]) -> Path | None:
    """Return the list of shards, where all other files of weights are its own, in a folder without a configuration."""
    lists = [path for path in files if path.name.endswith(INDEX)]
    return lists[0] if len(lists) == 1 and {*files} <= {lists[0], *shards_of(lists[0])} else None


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object out of a file; NetworkFileError for anything else."""
    try:
        if path.stat().st_size > _LARGEST:
            raise NetworkFileError(
                f"{path} is more than {_LARGEST // 2**20} MB: too much for a configuration"
            )
        content = parsed_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NetworkFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise NetworkFileError(f"{path} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise NetworkFileError(f"{path} holds no JSON object")
    return content


def _weights_in(folder: Path) -> Path | None:
    return next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)


def _own_spec(folder: Path) -> InputSpec | None:
    """Return what transformers' preprocessing does to a picture, where that is what any network's does."""
    path = folder / _PREPROCESSING
    if not path.is_file():
        return None
    settings = read_json(path)
    before = _side(settings.get("size"))
    size = _side(settings.get("crop_size")) if settings.get("do_center_crop") else before
    if (
        before is None
        or size is None
        or "image_mean" not in settings
        or not settings.get("do_normalize", True)
    ):
        return None
    if "crop_pct" in settings:
        before = round(size / float(settings["crop_pct"]))
    interpolation = _RESAMPLES.get(settings.get("resample", 2), "bilinear")
    return preset_spec(
        (size, size), before, (settings["image_mean"], settings["image_std"]), interpolation, path.name
    )


def _side(side: Any) -> int | None:
    if isinstance(side, Mapping):
        side = side.get("shortest_edge", side.get("height"))
    return side if isinstance(side, int) and side > 0 else None


def _labels(config: Mapping[str, Any], published: Mapping[str, Any]) -> Sequence[str] | None:
    """Return what the classes are called, in their order."""
    names = config.get("label_names") or published.get("label_names")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        descriptions = config.get("label_descriptions") or published.get("label_descriptions") or {}
        return [
            str(descriptions.get(name, name)) if isinstance(descriptions, dict) else name for name in names
        ]
    numbered = config.get("id2label")
    if not isinstance(numbered, dict) or set(numbered) != {str(number) for number in range(len(numbered))}:
        return None
    in_order = [str(numbered[str(number)]) for number in range(len(numbered))]
    return None if in_order == [f"LABEL_{number}" for number in range(len(in_order))] else in_order
