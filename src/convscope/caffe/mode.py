"""Where nets compute and how they draw their random numbers: pycaffe's global settings."""

from __future__ import annotations

import numpy as np
import torch

from convscope.errors import InputError, warn

TRAIN, TEST = 0, 1

_CPU = torch.device("cpu")
_state = {"device": _CPU, "wanted": torch.device("cuda", 0)}
_seed = {"seed": 0}
_random = {"generator": np.random.default_rng(0)}


def set_mode_cpu() -> None:
    """Compute on the processor (the default)."""
    _state["device"] = _CPU


def set_mode_gpu() -> None:
    """Compute on the graphics card chosen by `set_device`; without one, warn and stay on the processor."""
    if torch.cuda.is_available():
        _state["device"] = _state["wanted"]
    else:
        warn("there is no CUDA device here: nets go on computing on the CPU")


def set_device(device_id: int) -> None:
    """Choose the graphics card by its number; `set_mode_gpu` switches to it."""
    _state["wanted"] = torch.device("cuda", device_id)
    if not check_mode_cpu():
        set_mode_gpu()


def check_mode_cpu() -> bool:
    """Whether nets compute on the processor."""
    return _state["device"] == _CPU


def check_mode_gpu() -> bool:
    """Whether nets compute on a graphics card."""
    return not check_mode_cpu()


def has_nccl() -> bool:
    """Whether several graphics cards train together, as Caffe built with NCCL does: never here."""
    return False


def solver_count() -> int:
    """Return how many solvers train together: one, for none does here."""
    return 1


def set_solver_count(count: int) -> None:
    """Accept how many solvers train together, which changes nothing here."""


def solver_rank() -> int:
    """Return which of several solvers this one is: the first."""
    return 0


def set_solver_rank(rank: int) -> None:
    """Accept which of several solvers this one is, which changes nothing here."""


def set_multiprocess(value: bool) -> None:
    """Accept that several processes train together, which changes nothing here."""


def set_random_seed(seed: int) -> None:
    """Choose the random numbers of dummy data and of the nets made from now on; the seed is 0 at first.

    A parameter's follow from the seed and from its name: nets of one text begin alike. Raises InputError below 0.
    """
    if seed < 0:
        raise InputError(f"a seed is a whole number from 0 on; found {seed}")
    _seed["seed"] = seed
    _random["generator"] = np.random.default_rng(seed)


def device() -> torch.device:
    """Return where nets compute now."""
    return _state["device"]


def seed() -> int:
    """Return what parameters are filled from."""
    return _seed["seed"]


def generator() -> np.random.Generator:
    """Return where dummy data is drawn from."""
    return _random["generator"]
