"""What belongs to the whole process, and so to the person who runs convscope in it: a picture of it, to compare."""

import gc
import locale
import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageFile, PngImagePlugin

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]


def process_state() -> dict[str, Any]:
    """Return everything global that a library might change."""
    mask = os.umask(0)
    os.umask(mask)
    limits = [name for name in dir(resource) if name.startswith("RLIMIT_")] if resource else []
    return {
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "umask": mask,
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in limits},
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "path": list(sys.path),
        "streams": (sys.stdout, sys.stderr, sys.stdin),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook),
        "recursion": sys.getrecursionlimit(),
        "garbage": (gc.isenabled(), gc.get_threshold()),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "loggers": {
            name: list(logger.handlers)
            for name, logger in logging.root.manager.loggerDict.items()
            if isinstance(logger, logging.Logger) and logger.handlers
        },
        "last resort": logging.lastResort,
        "processes": multiprocessing.get_start_method(allow_none=True),
        "locale": locale.setlocale(locale.LC_ALL),
        "random": random.getstate(),
        "numpy": (np.geterr(), np.get_printoptions(), str(np.random.get_state())),  # noqa: NPY002
        "torch": (
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.get_num_interop_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_anomaly_enabled(),
            torch.get_flush_denormal() if hasattr(torch, "get_flush_denormal") else None,
            torch.backends.mkldnn.enabled,
            torch.get_float32_matmul_precision(),
            str(torch.get_default_device()),
        ),
        "matplotlib": (dict(matplotlib.rcParams), matplotlib.get_backend(auto_select=False)),
        "Pillow": (
            Image.MAX_IMAGE_PIXELS,
            ImageFile.LOAD_TRUNCATED_IMAGES,
            ImageFile.MAXBLOCK,
            PngImagePlugin.MAX_TEXT_CHUNK,
            PngImagePlugin.MAX_TEXT_MEMORY,
        ),
    }


def changed_since(before: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what is other than it was: name to (before, now)."""
    now = process_state()
    return {name: (before[name], now[name]) for name in before if before[name] != now[name]}
