"""The networks of torchvision and timm by name: what builds one, what it expects, what its classes are called.

Both are optional and imported when a name asks for them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import nn

from convscope.errors import InputError, MissingPackage, NetworkFileError, did_you_mean
from convscope.formats.pytorch.architecture_file import builder, names_a_file
from convscope.network.input_spec import InputSpec

TORCHVISION, TIMM = "torchvision:", "timm:"
RANDOM = "random"
ASK_FOR_ARCHITECTURE = (
    f"Say which network they are for with architecture (--architecture): {TORCHVISION}NAME, {TIMM}NAME, your own "
    "FILE.py:CLASS, or in Python a module"
)
_LIBRARIES: list[Any] = []


@dataclass(frozen=True)
class Architecture:
    """A network to be built: `build(classes)` gives it with random weights, `pretrained()` with its published ones.

    `spec` says what it expects, where its library says so.
    """

    name: str
    build: Callable[[int | None], nn.Module]
    pretrained: Callable[[], nn.Module] | None = None
    spec: InputSpec | None = None


def find_architecture(name: str) -> Architecture:
    """Return the architecture of a name: ``torchvision:resnet18``, ``timm:resnet18``, ``my_model.py:Net``.

    Raises InputError, with the closest names, for one that is not there, and MissingPackage with the remedy.
    """
    for prefix, find in ((TORCHVISION, _torchvision), (TIMM, _timm)):
        if name.startswith(prefix):
            return find(name.removeprefix(prefix))
    if names_a_file(name):
        return Architecture(*builder(name))
    raise InputError(
        f"an architecture is {TORCHVISION}NAME, {TIMM}NAME, FILE.py:CLASS, or in Python a module or what makes one; "
        f"found {name!r}"
    )


def _torchvision(name: str) -> Architecture:
    models = import_torchvision().models
    names = models.list_models()
    if name not in names:
        raise InputError(f"torchvision has no model {name!r}.{did_you_mean(name, names)}")
    best = getattr(models.get_model_weights(name), "DEFAULT", None)
    quiet = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    backbone = (
        {"weights_backbone": None}
        if "weights_backbone" in models.get_model_builder(name).__annotations__
        else {}
    )

    def build(classes: int | None) -> nn.Module:
        more = {} if classes is None else {"num_classes": classes}
        module: nn.Module = models.get_model(name, weights=None, **quiet, **backbone, **more)
        return module

    def pretrained() -> nn.Module:
        module: nn.Module = models.get_model(name, weights=best)
        return module

    return Architecture(
        name, build, pretrained if best else None, best and _torchvision_spec(best.transforms())
    )


def _torchvision_spec(transforms: Any) -> InputSpec | None:
    """Return what torchvision's own preset does to a picture; None for those that do not classify."""
    if not hasattr(transforms, "crop_size"):
        return None
    side, before = transforms.crop_size[0], transforms.resize_size[0]
    return preset_spec(
        (side, side),
        before,
        (transforms.mean, transforms.std),
        str(transforms.interpolation.value),
        "torchvision",
    )


def _timm(name: str) -> Architecture:
    ready_torchvision()  # which timm imports
    timm = _imported("timm", "pip install timm")
    if not timm.is_model(name.partition(".")[0]):
        raise InputError(f"timm has no model {name!r}.{did_you_mean(name, timm.list_models())}")
    config = timm.models.get_pretrained_cfg(name)

    def build(classes: int | None, pretrained: bool = False) -> nn.Module:
        module: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=classes)
        return module

    has_weights = config is not None and config.has_weights
    published = (lambda: build(None, pretrained=True)) if has_weights else None
    return Architecture(name, build, published, config and timm_spec(config.to_dict()))


def timm_spec(config: dict[str, Any]) -> InputSpec:
    """Return what timm's configuration of a network does to a picture."""
    size = tuple(config["input_size"][1:])
    before = round(max(size) / (config.get("crop_pct") or 1))
    return preset_spec(
        size, before, (config["mean"], config["std"]), config.get("interpolation") or "bilinear", "timm"
    )


def preset_spec(
    size: tuple[int, int], before: int, statistics: Any, interpolation: str, because: str
) -> InputSpec:
    """Return what a library's preset does: the shorter side to `before`, the middle of `size`, mean and deviation."""
    mean, deviation = (tuple(float(value) for value in values) for values in statistics)
    fields: dict[str, Any] = {
        "channel_order": "RGB" if len(mean) == 3 else "GRAY",
        "raw_scale": 1.0,
        "mean": mean,
        "input_scale": tuple(1 / value for value in deviation),
        "resize": "shorter_side",
        "resize_size": max(before, *size),
        "crops": 1,
    }
    provenance = dict.fromkeys(["size", *fields, "antialias"], because) | {"layout": "format"}
    if interpolation != "bilinear":
        provenance["resize"] = f"{because}, which resizes {interpolation}"
    return InputSpec(size, provenance=provenance, **fields)


def load_pretrained(architecture: Architecture) -> nn.Module:
    """Return an architecture with its published weights, from its library's cache or downloaded by it."""
    remedy = "give weights=FILE with them, or weights='random'"
    if architecture.pretrained is None:
        raise NetworkFileError(f"{architecture.name} has no published weights: {remedy}")
    try:
        return architecture.pretrained()
    except Exception as error:  # the libraries' clients raise what they like when there is no connection
        message = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise NetworkFileError(
            f"the published weights of {architecture.name} are not on this machine and could not be downloaded "
            f"({message}); {remedy}"
        ) from error


def import_torchvision() -> ModuleType:
    """Import torchvision, also beside a torch for which its compiled part was not made."""
    ready_torchvision()
    return _imported(
        "torchvision", f"pip install --no-deps torchvision, the release for torch {torch.__version__}"
    )


def ready_torchvision() -> None:
    """Do what a second import of torchvision needs, where the first one fails.

    Its Linux package is built for CUDA alone; beside another torch it fails while it describes operators that were
    then never loaded. Naming these before a second try is enough for all of its classifiers. Where the compiled part
    does load it names them itself, and nothing here does.
    """
    if "torchvision" not in sys.modules:
        try:
            import_module("torchvision")
        except RuntimeError:
            for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
                del sys.modules[name]  # what was imported halfway
            _name_operators()
        except ImportError:
            pass  # said where it is imported


@cache
def _name_operators() -> None:
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _LIBRARIES.append(library)  # the names go when it goes


def _imported(package: str, command: str) -> ModuleType:
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingPackage(f"{package}: its networks need the package {package}: {command}") from error
    except RuntimeError as error:
        message = str(error).splitlines()[0]
        raise MissingPackage(
            f"the {package} that is installed does not fit torch {torch.__version__} ({message}); install its release "
            f"for it: {command}"
        ) from error
