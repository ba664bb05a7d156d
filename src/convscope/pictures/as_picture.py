"""What a result has that can be shown: it goes wherever a Picture does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from convscope.pictures.picture import Picture, Tile


class AsPicture:
    """A result whose picture is `_picture`: it is saved, shown and read as that."""

    _picture: Picture

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture with its caption and recipe, as `Picture.save` does, and return the path."""
        return self._picture.save(path)

    def show(self) -> None:
        """Show the picture: in the notebook, or in the system's viewer."""
        self._picture.show()

    @property
    def caption(self) -> str:
        """What the picture shows, and what is known of it."""
        return self._picture.caption

    @property
    def array(self) -> NDArray[Any]:
        """The picture's pixels."""
        return self._picture.array

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """Where in the picture each address is shown."""
        return self._picture.tiles

    def __getattr__(self, name: str) -> Any:
        """Return what the picture has under this name."""
        if name.startswith("__") or not hasattr(Picture, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._picture, name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._picture.__array__(dtype, copy)
