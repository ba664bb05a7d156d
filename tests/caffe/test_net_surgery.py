"""Net surgery, after Caffe's notebook of that name: edited biases, planted filters, layers cast into others."""

import cv2
import numpy as np
import pytest
from PIL import Image

from convscope import caffe


@pytest.fixture
def filters_net(caffe_root):
    """The notebook's net of three filters on the gray cat."""
    net = caffe.Net(caffe_root + "examples/net_surgery/conv.prototxt", caffe.TEST)
    assert (list(net.blobs), list(net.params)) == (["data", "conv"], ["conv"])
    im = np.array(Image.open(caffe_root + "examples/images/cat_gray.jpg"))
    im_input = im[np.newaxis, np.newaxis, :, :]
    net.blobs["data"].reshape(*im_input.shape)
    net.blobs["data"].data[...] = im_input
    net.forward()
    return net


@pytest.mark.slow
def test_editing_a_bias_moves_the_answer(filters_net):
    net = filters_net
    # pick first filter output
    conv0 = net.blobs["conv"].data[0, 0]
    before = conv0.mean(dtype=np.float64)
    # set first filter bias to 1
    net.params["conv"][1].data[0] = 1.0
    net.forward()
    assert conv0.mean(dtype=np.float64) - before == pytest.approx(1.0, abs=1e-5)


@pytest.mark.slow
def test_planted_filters_see_what_they_are_made_for(filters_net):
    net = filters_net
    ksize = net.params["conv"][0].data.shape[2:]
    # make Gaussian blur
    sigma = 1.0
    y, x = np.mgrid[-ksize[0] // 2 + 1 : ksize[0] // 2 + 1, -ksize[1] // 2 + 1 : ksize[1] // 2 + 1]
    g = np.exp(-((x**2 + y**2) / (2.0 * sigma**2)))
    gaussian = (g / g.sum()).astype(np.float32)
    net.params["conv"][0].data[0] = gaussian
    # make Sobel operator for edge detection
    net.params["conv"][0].data[1:] = 0.0
    sobel = np.array((-1, -2, -1, 0, 0, 0, 1, 2, 1), dtype=np.float32).reshape((3, 3))
    net.params["conv"][0].data[1, 0, 1:-1, 1:-1] = sobel  # horizontal
    net.params["conv"][0].data[2, 0, 1:-1, 1:-1] = sobel.T  # vertical
    net.forward()

    picture = net.blobs["data"].data[0, 0].astype(np.float64)
    expected = [cv2.filter2D(picture, -1, kernel.astype(np.float64)) for kernel in (gaussian, sobel, sobel.T)]
    for found, filtered in zip(net.blobs["conv"].data[0], expected, strict=True):
        np.testing.assert_allclose(found, filtered[2:-2, 2:-2], atol=1e-3)


@pytest.mark.slow
def test_fully_connected_layers_become_convolutions(caffe_root, tmp_path):
    surgery, caffenet = caffe_root + "examples/net_surgery/", caffe_root + "models/bvlc_reference_caffenet/"
    weights = caffenet + "bvlc_reference_caffenet.caffemodel"
    net = caffe.Net(caffenet + "deploy.prototxt", weights, caffe.TEST)
    params = ["fc6", "fc7", "fc8"]
    # fc_params = {name: (weights, biases)}
    fc_params = {pr: (net.params[pr][0].data, net.params[pr][1].data) for pr in params}
    assert [fc_params[fc][0].shape for fc in params] == [(4096, 9216), (4096, 4096), (1000, 4096)]

    # Load the fully convolutional network to transplant the parameters.
    net_full_conv = caffe.Net(surgery + "bvlc_caffenet_full_conv.prototxt", weights, caffe.TEST)
    params_full_conv = ["fc6-conv", "fc7-conv", "fc8-conv"]
    conv_params = {
        pr: (net_full_conv.params[pr][0].data, net_full_conv.params[pr][1].data) for pr in params_full_conv
    }
    shapes = [conv_params[conv][0].shape for conv in params_full_conv]
    assert shapes == [(4096, 256, 6, 6), (4096, 4096, 1, 1), (1000, 4096, 1, 1)]
    assert not conv_params["fc6-conv"][0].any()

    for pr, pr_conv in zip(params, params_full_conv, strict=True):
        conv_params[pr_conv][0].flat = fc_params[pr][0].flat  # flat unrolls the arrays
        conv_params[pr_conv][1][...] = fc_params[pr][1]

    saved = str(tmp_path / "bvlc_caffenet_full_conv.caffemodel")
    net_full_conv.save(saved)
    net_full_conv = caffe.Net(surgery + "bvlc_caffenet_full_conv.prototxt", saved, caffe.TEST)

    # load input and configure preprocessing
    im = caffe.io.load_image(caffe_root + "examples/images/cat.jpg")
    transformer = caffe.io.Transformer({"data": net_full_conv.blobs["data"].data.shape})
    mean = np.load(caffe_root + "python/caffe/imagenet/ilsvrc_2012_mean.npy")
    transformer.set_mean("data", mean.mean(1).mean(1))
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_raw_scale("data", 255.0)
    # make classification map by forward and print prediction indices at each location
    out = net_full_conv.forward_all(data=np.asarray([transformer.preprocess("data", im)]))
    assert out["prob"].shape == (1, 1000, 8, 8)
    assert out["prob"][0].argmax(axis=0).shape == (8, 8)
    np.testing.assert_allclose(out["prob"][0].sum(axis=0), np.ones((8, 8)), atol=1e-4)

    # on an input of the first net's size the two nets agree
    picture = (
        caffe.io.resize_image(im, (227, 227)).transpose(2, 0, 1)[::-1] * 255
        - mean.mean((1, 2))[:, None, None]
    )
    for either in (net, net_full_conv):
        either.blobs["data"].reshape(1, 3, 227, 227)
        either.forward(data=picture[np.newaxis])
    for fc, conv in zip(params, params_full_conv, strict=True):
        mine, other = net.blobs[fc].data, net_full_conv.blobs[conv].data
        assert other.shape == (*mine.shape, 1, 1)
        np.testing.assert_allclose(other[:, :, 0, 0], mine, atol=5e-6 * abs(mine).max())
    np.testing.assert_allclose(
        net_full_conv.blobs["prob"].data[:, :, 0, 0], net.blobs["prob"].data, rtol=1e-5, atol=1e-6
    )

    # and OpenCV reads what was saved
    oracle = cv2.dnn.readNetFromCaffe(surgery + "bvlc_caffenet_full_conv.prototxt", saved)
    oracle.setInput(picture[np.newaxis].astype(np.float32))
    np.testing.assert_allclose(net_full_conv.blobs["prob"].data, oracle.forward("prob"), rtol=1e-5, atol=1e-6)
