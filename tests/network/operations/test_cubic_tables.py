"""Cubic resizing as TensorFlow does it, from a table of 1,024 places between two pixels: its loop, restated."""

import numpy as np
import pytest
import torch

from convscope.network.operations import OPERATIONS


def tensorflow_row(row: np.ndarray, count: int, centers: bool) -> np.ndarray:
    """GetWeightsAndIndices and the sum behind it, in TensorFlow's resize_bicubic_op.cc, for one row."""
    a = -0.5 if centers else -0.75
    steps = np.arange(1025) / 1024
    near = ((a + 2) * steps - (a + 3)) * steps**2 + 1
    far = (((steps + 1) * a - 5 * a) * (steps + 1) + 8 * a) * (steps + 1) - 4 * a
    answer = []
    for place in range(count):
        at = (place + 0.5) * len(row) / count - 0.5 if centers else place * len(row) / count
        first = int(np.floor(at))
        offset = round((at - first) * 1024)
        weights = np.array([far[offset], near[offset], near[1024 - offset], far[1024 - offset]])
        indices = np.array([first - 1, first, first + 1, first + 2])
        bounded = indices.clip(0, len(row) - 1)
        if centers:
            weights = np.where(bounded == indices, weights, 0)
            weights = weights / weights.sum()
        answer.append((row[bounded] * weights).sum())
    return np.array(answer)


@pytest.mark.parametrize("centers", [True, False])
@pytest.mark.parametrize("shape", [(13, 11), (5, 4), (14, 27)])
def test_tensorflows_table(shape: tuple[int, int], centers: bool) -> None:
    picture = np.random.default_rng(1).normal(size=(7, 9))
    wanted = np.stack([tensorflow_row(row, shape[1], centers) for row in picture])
    wanted = np.stack([tensorflow_row(column, shape[0], centers) for column in wanted.T]).T
    how = {
        "interpolation": "cubic",
        "coordinates": "half_pixel" if centers else "asymmetric",
        "cubic": -0.5 if centers else -0.75,
        "exclude_outside": centers,
    }
    x = torch.from_numpy(picture)[None, None]
    found = OPERATIONS["resize"](x, shape=(0, 0, *shape), subpixels=1024, **how)[0, 0].numpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6)
    plain = OPERATIONS["resize"](x, shape=(0, 0, *shape), **how)[0, 0].numpy()
    assert np.abs(plain - wanted).max() > 1e-4  # what this is about
