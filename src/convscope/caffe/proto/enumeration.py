"""An enumeration of Caffe's schema with the manners of protobuf: its numbers by name and its names by number."""

from __future__ import annotations

from convscope.formats.protobuf.schema import Enumeration


class EnumType:
    """What `caffe_pb2.PoolingParameter.PoolMethod` is: asks of names and numbers.

    >>> caffe_pb2.PoolingParameter.PoolMethod.Name(1)
    'AVE'
    """

    def __init__(self, enumeration: Enumeration) -> None:
        self._numbers = dict(enumeration.numbers)
        self._title = enumeration.name

    def Value(self, name: str) -> int:  # noqa: N802
        """Return the number of a name; ValueError says which names there are."""
        if name not in self._numbers:
            raise ValueError(f"{self._title} has no value {name!r}: {', '.join(self._numbers)}")
        return self._numbers[name]

    def Name(self, number: int) -> str:  # noqa: N802
        """Return the name of a number, the first where it has several; ValueError says which numbers there are."""
        for name, value in self._numbers.items():
            if value == number:
                return name
        raise ValueError(
            f"{self._title} has no value {number!r}: {', '.join(map(str, self._numbers.values()))}"
        )

    def keys(self) -> list[str]:
        """Return the names, in the schema's order."""
        return list(self._numbers)

    def values(self) -> list[int]:
        """Return the numbers, in the schema's order."""
        return list(self._numbers.values())

    def items(self) -> list[tuple[str, int]]:
        """Return each (name, number), in the schema's order."""
        return list(self._numbers.items())
