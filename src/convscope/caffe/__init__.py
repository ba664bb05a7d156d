"""pycaffe's interface: a tutorial's code runs with ``import caffe`` changed to ``from convscope import caffe``.

>>> from convscope import caffe
>>> net = caffe.Net("deploy.prototxt", caffe.TEST, weights="net.caffemodel")
>>> net.forward()
"""

from __future__ import annotations

from typing import Any

from convscope.caffe import coord_map, draw, imagenet, io, net_spec, proto, pycaffe
from convscope.caffe.blob import Blob
from convscope.caffe.classifier import Classifier
from convscope.caffe.detector import Detector
from convscope.caffe.layer import Layer
from convscope.caffe.log import Timer, init_log, log
from convscope.caffe.losses import LOSSES
from convscope.caffe.mode import (
    TEST,
    TRAIN,
    check_mode_cpu,
    check_mode_gpu,
    has_nccl,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from convscope.caffe.net import Net
from convscope.caffe.net_spec import NetSpec, layers, params, to_proto
from convscope.formats.caffe.layers import TRANSLATORS, register_layer

__version__ = "1.0.0"  # of pycaffe, whose interface this is

_SOLVERS = (
    "SGDSolver",
    "NesterovSolver",
    "AdaGradSolver",
    "RMSPropSolver",
    "AdaDeltaSolver",
    "AdamSolver",
    "get_solver",
    "NCCL",
)


def layer_type_list() -> list[str]:
    """Return the types of layer a net may have."""
    types = (
        name for name in TRANSLATORS if name.isalnum()
    )  # not what stands for unknown ones, or for Python code
    return sorted({*types, *LOSSES, "Python"})


def __getattr__(name: str) -> Any:
    if name in _SOLVERS:
        raise AttributeError(
            f"caffe.{name} trains, which convscope does not do with Caffe's solvers: its fine-tuning uses torch's "
            "optimizers (convscope.network.fine_tuning)"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "TEST",
    "TRAIN",
    "Blob",
    "Classifier",
    "Detector",
    "Layer",
    "Net",
    "NetSpec",
    "Timer",
    "check_mode_cpu",
    "check_mode_gpu",
    "coord_map",
    "draw",
    "has_nccl",
    "imagenet",
    "init_log",
    "io",
    "layer_type_list",
    "layers",
    "log",
    "net_spec",
    "params",
    "proto",
    "pycaffe",
    "register_layer",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_multiprocess",
    "set_random_seed",
    "set_solver_count",
    "set_solver_rank",
    "solver_count",
    "solver_rank",
    "to_proto",
]
