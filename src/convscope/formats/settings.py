"""What a file says of a layer or a node, with a memory of what of it was looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Settings(Mapping[str, Any]):
    """Settings, which know the ones that nobody has read: `unread`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values, self.unread = values, set(values)

    def __getitem__(self, name: str) -> Any:
        self.unread.discard(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
