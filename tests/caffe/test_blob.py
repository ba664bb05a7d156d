"""Blobs: live memory with a shape."""

import numpy as np
import pytest
import torch

from convscope import caffe
from convscope.errors import InputError


def test_shape_and_its_old_names():
    blob = caffe.Blob((2, 3, 4, 5))
    assert (blob.shape, blob.data.shape, blob.diff.shape) == ((2, 3, 4, 5),) * 3
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (2, 3, 4, 5, 120)
    flat = caffe.Blob((7,))
    assert (flat.num, flat.channels, flat.height, flat.width) == (7, 1, 1, 1)
    with pytest.raises(InputError, match=r"5 axes"):
        _ = caffe.Blob((1, 2, 3, 4, 5)).num


def test_data_is_single_precision_zeros_and_live():
    blob = caffe.Blob((2, 2))
    view = blob.data
    assert (view.dtype, view.sum()) == (np.float32, 0)
    view[0, 0] = 3
    assert blob.data[0, 0] == 3
    blob.write(torch.ones(2, 2))
    assert (view == 1).all()
    assert not blob.diff.any()


def test_assignment_says_how_to_write():
    with pytest.raises(AttributeError, match=r"blob.data\[...\] = values"):
        caffe.Blob((2,)).data = np.zeros(2)
    with pytest.raises(AttributeError, match=r"blob.diff\[...\] = values"):
        caffe.Blob((2,)).diff = np.zeros(2)


def test_reshaping_keeps_the_memory_while_it_suffices():
    blob = caffe.Blob((2, 3))
    view = blob.data
    view[...] = np.arange(6).reshape(2, 3)
    blob.reshape(3, 2)
    assert blob.data.tolist() == [[0, 1], [2, 3], [4, 5]]
    blob.reshape(4)
    assert blob.data.tolist() == [0, 1, 2, 3]
    blob.data[0] = 9
    assert view[0, 0] == 9
    blob.reshape()
    assert blob.data.shape == ()
    blob.reshape(5, 5)
    assert (blob.data.shape, blob.data.sum()) == ((5, 5), 0)
    with pytest.raises(InputError, match=r"whole numbers"):
        blob.reshape(2, -1)


def test_shared_memory():
    one, two = caffe.Blob((2,)), caffe.Blob((2,))
    two.share_data(one)
    one.data[...] = 4
    assert (two.data == 4).all()
    two.share_diff(one)
    two.diff[...] = 5
    assert (one.diff == 5).all()


def test_numbers_are_loaded_when_somebody_looks():
    calls = []

    def load():
        calls.append(1)
        return np.full(3, 2, np.float32)

    blob = caffe.Blob((3,), load)
    assert (blob.count, calls) == (3, [])
    assert (blob.data == 2).all()
    blob.data[0] = 7
    assert (blob.data.tolist(), calls) == ([7, 2, 2], [1])
    view = blob.data
    blob.load(lambda: np.full(3, 8, np.float32))
    assert view.tolist() == [8, 8, 8]


@pytest.mark.parametrize(("where", "shape"), [("behind", (10, 4096, 1, 1)), ("in front", (1, 1, 10, 4096))])
def test_four_axes(where, shape):
    blob = caffe.Blob((10, 4096), four_axes=where)
    assert (blob.data.shape, blob.diff.shape, blob.shape) == (shape,) * 3
    assert blob.true_data.shape == tuple(blob.tensor().shape) == (10, 4096)
