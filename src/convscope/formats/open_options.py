"""What can be said when a network is opened, as keywords that editors know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

import torch

from convscope.formats.given_shapes import GivenShape
from convscope.network.input_spec import Array, ChannelOrder, Layout, Resize
from convscope.network.transform import Transform

Labels: TypeAlias = str | Path | Sequence[str] | Mapping[int, str] | Mapping[str, int]
"""A file, the labels in the classes' order, or a table between labels and numbers, in either direction."""


@dataclass(frozen=True)
class OpenOptions:
    """What `open_network` is told of a network's files; how a picture becomes its input is said in `InputSpec`."""

    weights: str | Path | None = None
    device: str | torch.device = "cpu"
    labels: Labels | None = None
    input_shape: GivenShape | None = None
    rules: Mapping[str, Any] | None = None
    architecture: object = None
    inputs: Mapping[str, Any] | None = None


class PreprocessingKeywords(TypedDict, total=False):
    """The fields of `InputSpec` as keywords; a ``mean`` may also be a file's path."""

    size: Sequence[int]
    channel_order: ChannelOrder
    layout: Layout
    raw_scale: float
    mean: str | Path | float | Sequence[float] | Array
    input_scale: float | Sequence[float]
    resize: Resize
    resize_size: int | None
    antialias: bool
    crops: int
    bands: int | None
    transform: Transform | None


class OpenKeywords(PreprocessingKeywords, total=False):
    """The fields of `OpenOptions` and of `InputSpec` as keywords."""

    weights: str | Path | None
    device: str | torch.device
    labels: Labels | None
    input_shape: GivenShape | None
    rules: Mapping[str, Any] | None
    architecture: object
    inputs: Mapping[str, Any] | None
