"""What is kept of a layer's answers, against numpy, however they lie in memory."""

import numpy as np
import pytest
import torch

from convscope.measuring.summary import Summary


@pytest.mark.parametrize("shape", [(3, 5, 8, 6), (2, 4, 1, 13), (1, 7, 1, 1), (2, 1, 4, 4), (4, 3, 7, 7)])
@pytest.mark.parametrize("kind", ["rectified", "signed", "ties", "silent", "negative", "nan", "infinite"])
def test_it_is_numpys_whichever_axis_lies_last(shape: tuple[int, ...], kind: str) -> None:
    random = torch.Generator().manual_seed(3)
    values = torch.randn(shape, generator=random)
    if kind == "rectified":
        values = values.relu()
    elif kind == "ties":
        values = values.mul(2).round().clamp(-1, 1)
    elif kind == "silent":
        values = torch.zeros(shape)
    elif kind == "negative":
        values = -values.abs() - 1
    elif kind in ("nan", "infinite"):
        values.view(-1)[[0, -1]] = float(kind[:3])
    plain = values.flatten(2).numpy()
    for memory in (torch.contiguous_format, torch.channels_last):
        found = Summary.of(values.contiguous(memory_format=memory).flatten(2))
        np.testing.assert_array_equal(found.max, plain.max(2))
        np.testing.assert_array_equal(found.position, plain.argmax(2))
        np.testing.assert_array_equal(found.fires, (plain > 0).sum((0, 2)))
        np.testing.assert_array_equal(found.lowest, plain.min((0, 2)))
        np.testing.assert_allclose(found.mean, plain.mean(2, dtype=np.float64), rtol=1e-6, atol=1e-7)
        facts = [(one.dtype, one.shape) for one in vars(found).values()]
        per_picture, per_channel = shape[:2], shape[1:2]
        assert facts == [
            (np.float32, per_picture),
            (np.float32, per_picture),
            (np.int32, per_picture),
            (np.int64, per_channel),
            (np.float32, per_channel),
        ]
