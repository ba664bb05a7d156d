"""What is kept of a layer's answers to a batch of pictures: a few numbers for each channel of each picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_WHOLE_IN_FLOAT32 = 2**24
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
        value = value.detach().float().cpu()
        if value.stride()[1:] == (1, value.shape[1]) and value.shape[2] < _WHOLE_IN_FLOAT32:
            means = value.sum(2).div_(value.shape[2])
            if means.isfinite().all():  # of NaN and infinity numpy's answers are told
                return cls._of_channels_last(value.transpose(1, 2), means)
        values = value.contiguous().numpy()
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
    def _of_channels_last(cls, values: Tensor, means: Tensor) -> Summary:
        """Return the summary of (pictures, positions, channels) as they lie in memory: all channels go along together.

        The first place of a maximum is looked for in the first row that has it, so that all is gone through once.
        """
        positions = values.shape[1]
        width = next(one for one in range(isqrt(positions), 0, -1) if positions % one == 0)
        rows = values.reshape(len(values), -1, width, values.shape[2])
        highest_of_rows = rows.amax(2)
        highest = highest_of_rows.amax(1, keepdim=True)
        row = _first(highest_of_rows == highest)
        place_in_row = _first(rows.gather(1, row[:, None, None].expand(-1, 1, width, -1))[:, 0] == highest)
        lowest = values.amin((0, 1))
        fires, above = torch.zeros(values.shape[2], dtype=torch.int64), torch.empty_like(values[0])
        rectified = lowest.min() >= 0
        for picture in values:  # one buffer: new memory would cost more than the arithmetic
            torch.sign(picture if rectified else torch.clamp(picture, min=0, out=above), out=above)
            fires += above.sum(0).long()  # a float32 counts whole numbers up to 2^24
        return cls(
            highest[:, 0].numpy(),
            means.numpy(),
            (row * width + place_in_row).int().numpy(),
            fires.numpy(),
            lowest.numpy(),
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


def _first(found: Tensor) -> Tensor:
    """Return the first index along axis 1 where it is found; torch's argmax goes through each channel by itself."""
    count = found.shape[1]
    from_the_end = torch.arange(count, 0, -1, dtype=torch.int32)[:, None]
    return count - torch.where(found, from_the_end, 0).amax(1).long()
