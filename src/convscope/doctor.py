"""What there is to work with: versions, the machine, what is optional."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from convscope._version import __version__
from convscope.cache import cache_folder

REQUIRED = (
    *(
        "torch",
        "numpy",
        "scipy",
        "Pillow",
        "pypng",
        "tifffile",
        "scikit-image",
        "matplotlib",
        "h5py",
        "safetensors",
    ),
    *("click", "tqdm", "jinja2", "platformdirs", "filelock", "lazy_loader", "requests"),
    *("starlette", "uvicorn", "websockets"),
)
OPTIONAL = {
    "av": "films of dreams as MP4",
    "torchvision": "networks called torchvision:NAME",
    "timm": "networks called timm:NAME",
    "keras": "networks called keras:NAME",
    "scikit-learn": "maps of an atlas (--maps)",
    "distributed": "an atlas on many machines (--dask)",
    "ipykernel": "notebooks",
}


@dataclass(frozen=True)
class Fact:
    """One thing that is so: its group (``"versions"``, ``"machine"``, ``"optional"``), its name, what was found."""

    group: str
    name: str
    value: str


def facts() -> list[Fact]:
    """Return what convscope runs on: versions, the machine, which optional packages are there.

    >>> facts()[0].name
    'convscope'
    """
    return [
        Fact("versions", "convscope", __version__),
        Fact("versions", "Python", platform.python_version()),
        *(Fact("versions", name, _version(name) or "missing") for name in REQUIRED),
        *(Fact("machine", name, value) for name, value in _machine().items()),
        *(Fact("optional", name, _version(name) or f"missing: {use}") for name, use in OPTIONAL.items()),
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _machine() -> dict[str, str]:
    """Return the system, where it computes, and what is kept; a torch that cannot be imported is such a fact too."""
    folder = cache_folder()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    system = {"system": f"{platform.system()} {platform.release()}, {platform.machine()}"}
    return {**system, **_torch(), "cache": f"{folder} ({size / 1e6:,.0f} MB)"}


def _torch() -> dict[str, str]:
    try:
        import torch

        from convscope.network.engine.execution import best_device
    except (ImportError, OSError) as error:  # OSError: a library that torch loads is not there
        return {"device": f"none: torch cannot be imported ({error})"}
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "device": " ".join([best_device(), *cards]),
        "threads": f"{torch.get_num_threads()} of {os.cpu_count()} processors",
    }
