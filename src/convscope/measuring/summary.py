"""What is kept of a layer's answers to a batch of pictures: a few numbers for each channel of each picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

BYTES_A_UNIT = 12  # of one picture: its maximum, mean and position


@dataclass(frozen=True, eq=False)
class Summary:
    """What channels answered to pictures: ``max`` and ``mean`` over the positions, float32 (pictures, channels).

    ``position`` is the flat index of the first position with the maximum. Over all pictures together, a number a
    channel: ``fires`` counts the positions above zero, ``lowest`` is the least value at any.
    """

    max: NDArray[np.float32]
    mean: NDArray[np.float32]
    position: NDArray[np.int32]
    fires: NDArray[np.int64]
    lowest: NDArray[np.float32]

    @classmethod
    def of(cls, value: Tensor) -> Summary:
        """Return the summary of (pictures, channels, positions)."""
        values = value.detach().float().contiguous().cpu().numpy()
        position = values.argmax(2)
        highest = np.take_along_axis(values, position[..., None], 2)[..., 0]
        return cls(
            highest,
            values.mean(2, dtype=np.float32),
            position.astype(np.int32),
            np.count_nonzero(values > 0, axis=(0, 2)).astype(np.int64),
            values.min(axis=(0, 2)),
        )

    @classmethod
    def joined(cls, parts: Sequence[Summary]) -> Summary:
        """Return the summary of all pictures, in order."""
        return cls(
            np.concatenate([part.max for part in parts]),
            np.concatenate([part.mean for part in parts]),
            np.concatenate([part.position for part in parts]),
            np.sum([part.fires for part in parts], axis=0, dtype=np.int64),
            np.min([part.lowest for part in parts], axis=0),
        )
