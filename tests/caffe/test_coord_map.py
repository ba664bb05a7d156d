"""The facts of pycaffe's own test_coord_map.py."""

import numpy as np
import pytest

from convscope import caffe
from convscope.caffe import layers as L  # noqa: N812
from convscope.caffe import params as P  # noqa: N812
from convscope.caffe.coord_map import AxisMismatchException, compose, coord_map_from_to, crop


def net_spec(ks=3, stride=1, pad=0, pool=2, dstride=2, dpad=0):
    """A convolution, a pooling and a deconvolution whose kernel is twice its stride."""
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 1, 100, 100]})
    n.aux = L.Input(shape={"dim": [2, 1, 20, 20]})
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=ks, stride=stride, pad=pad)
    n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=pool, stride=pool, pad=0)
    n.deconv = L.Deconvolution(n.pool, num_output=10, kernel_size=dstride * 2, stride=dstride, pad=dpad)
    return n


def mapped(n):
    return coord_map_from_to(n.deconv, n.data)


def test_through_convolution_pooling_and_deconvolution():
    assert mapped(net_spec()) == (1, 1, 0)
    assert mapped(net_spec(pool=4, dstride=4)) == (1, 1, -1)


def test_layers_that_pass_through():
    n = net_spec()
    n.relu = L.ReLU(n.deconv)
    n.conv1x1 = L.Convolution(n.relu, num_output=10, kernel_size=1, stride=1, pad=0)
    for top in (n.relu, n.conv1x1):
        assert coord_map_from_to(top, n.data) == mapped(n)


@pytest.mark.parametrize("pad", [0, 3, 10])
def test_padding_adds_and_takes_off(pad):
    axis, scale, shift = mapped(net_spec())
    assert mapped(net_spec(pad=pad)) == (axis, scale, shift - pad)
    assert mapped(net_spec(dpad=pad)) == (axis, scale, shift + pad)
    assert mapped(net_spec(pad=pad, dpad=pad)) == (axis, scale, shift)


def test_several_bottoms_are_mapped_alike():
    n = net_spec()
    n.conv_data, n.conv_aux = L.Convolution(
        n.data, n.aux, ntop=2, num_output=10, kernel_size=5, stride=2, pad=0
    )
    assert coord_map_from_to(n.conv_data, n.data) == coord_map_from_to(n.conv_aux, n.aux)


def test_different_axes_are_their_parts():
    axis, scale, shift = mapped(net_spec(ks=[3, 5], stride=[1, 2], pad=[0, 10]))
    for index, (other_axis, other_scale, other_shift) in enumerate(
        [mapped(net_spec(ks=3, stride=1, pad=0)), mapped(net_spec(ks=5, stride=2, pad=10))]
    ):
        assert (axis, scale[index], shift[index]) == (other_axis, other_scale, other_shift)


def test_three_spatial_axes():
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3, 100, 100, 100]})
    n.conv = L.Convolution(n.data, num_output=10, kernel_size=[3, 3, 3], stride=[1, 1, 1], pad=[0, 1, 2])
    n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=2, stride=2, pad=0)
    n.deconv = L.Deconvolution(n.pool, num_output=10, kernel_size=4, stride=2, pad=0)
    axis, scale, shift = mapped(n)
    assert axis == 1
    assert len(scale) == len(shift)
    assert np.all(scale == 1)
    assert shift[0] - 1 == shift[1]
    assert shift[1] - 1 == shift[2]


@pytest.mark.parametrize("offset", [0, 4, 10])
def test_a_crop_of_a_crop(offset):
    n = net_spec()
    axis, scale, shift = mapped(n)
    n.crop = L.Crop(n.deconv, n.data, axis=2, offset=offset)
    assert coord_map_from_to(n.crop, n.data) == (axis, scale, shift + offset)


def test_the_crop_helper_aligns_two_layers(tmp_path):
    n = net_spec(pad=20)
    n.score = crop(n.deconv, n.data)
    layer = n.to_proto().layer[-1]
    assert (layer.type, layer.crop_param.axis, list(layer.crop_param.offset)) == ("Crop", 2, [20])
    path = tmp_path / "net.prototxt"
    path.write_text(str(n.to_proto()))
    assert caffe.Net(str(path), caffe.TEST).blobs["score"].shape == (2, 10, 100, 100)


def test_what_cannot_be_mapped():
    n = net_spec()
    n.ip = L.InnerProduct(n.deconv, num_output=10)
    with pytest.raises(RuntimeError, match=r"connected"):
        coord_map_from_to(n.ip, n.data)
    with pytest.raises(AssertionError, match=r"scale mismatch"):
        mismatched = net_spec(pool=3, dstride=2)
        crop(mismatched.deconv, mismatched.data)
    with pytest.raises(AssertionError, match=r"negative"):
        smaller = net_spec(dpad=10)
        crop(smaller.deconv, smaller.data)
    with pytest.raises(AssertionError, match=r"part of a pixel"):
        half = caffe.NetSpec()
        half.data = L.Input(shape={"dim": [1, 1, 9, 9]})
        half.conv = L.Convolution(half.data, num_output=1, kernel_size=2, pad=1)
        crop(half.conv, half.data)
    with pytest.raises(AxisMismatchException, match=r"axis 1"):
        compose((1, 1, 0), (2, 1, 0))
