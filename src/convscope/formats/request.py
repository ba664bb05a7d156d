"""What `open_network` was asked for, on its way to the format that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convscope.errors import InputError
from convscope.files import is_there, user_path
from convscope.formats.given_shapes import GivenShape
from convscope.formats.kinds import FileKind


@dataclass(frozen=True)
class Request:
    """The source, and what was said besides; `open_network` says what each of it means."""

    source: str | Path | object
    weights: str | Path | None = None
    input_shape: GivenShape | None = None
    device: str | torch.device = "cpu"
    rules: Mapping[str, Any] = field(default_factory=dict)
    architecture: Any = None
    kind: FileKind | None = None
    """What the source is, where it is a file."""
    inputs: Mapping[str, Tensor | float | str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The source as a path."""
        return user_path(str(self.source))

    @property
    def exists(self) -> bool:
        """Whether there is a file or a folder of that name."""
        return is_there(self.path)

    def refuse(self, *names: str, because: str) -> None:
        """Raise InputError where something was said that this kind of network has no use for.

        >>> request.refuse("weights", because="a GraphDef holds its weights")
        """
        for name in names:
            if getattr(self, name):
                raise InputError(f"{self.source}: there is nothing to do with {name}: {because}")
