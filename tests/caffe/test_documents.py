"""The three documents that the project comes from, cell by cell; only the import and Python 2's prints are changed.

000 is Caffe's "Visualizing ImageNet Features and Filters" of 2014, 001 a university's lab, 002 a Chinese tutorial.
There are no weights of CaffeNet here, so they are random; the real GoogLeNet must say that the cat is a cat.
"""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import convscope.caffe.imagenet
from convscope import caffe

pytestmark = pytest.mark.slow

FEATURES = [
    ("data", (3, 227, 227)),
    ("conv1", (96, 55, 55)),
    ("pool1", (96, 27, 27)),
    ("norm1", (96, 27, 27)),
    ("conv2", (256, 27, 27)),
    ("pool2", (256, 13, 13)),
    ("norm2", (256, 13, 13)),
    ("conv3", (384, 13, 13)),
    ("conv4", (384, 13, 13)),
    ("conv5", (256, 13, 13)),
    ("pool5", (256, 6, 6)),
    ("fc6", (4096,)),
    ("fc7", (4096,)),
    ("fc8", (1000,)),
    ("prob", (1000,)),
]


@pytest.fixture(autouse=True)
def fresh_figures():
    plt.close("all")
    yield
    plt.close("all")


def shown():
    """The array of the picture that was last shown."""
    return plt.gca().images[-1].get_array()


def test_document_000(caffe_root):
    net = caffe.imagenet.ImageNetClassifier(
        caffe_root + "models/imagenet.prototxt", caffe_root + "models/caffe_reference_imagenet_model"
    )
    net.caffenet.set_phase_test()
    net.caffenet.set_mode_cpu()

    scores = net.predict(caffe_root + "examples/filter_visualization/lena.png")
    assert scores.shape == (1000,)
    assert scores.sum() == pytest.approx(1, abs=1e-4)

    assert [(k, v.data.shape) for k, v in net.caffenet.blobs.items()] == [
        ("data", (10, 3, 227, 227)),
        ("conv1", (10, 96, 55, 55)),
        ("pool1", (10, 96, 27, 27)),
        ("norm1", (10, 96, 27, 27)),
        ("conv2", (10, 256, 27, 27)),
        ("pool2", (10, 256, 13, 13)),
        ("norm2", (10, 256, 13, 13)),
        ("conv3", (10, 384, 13, 13)),
        ("conv4", (10, 384, 13, 13)),
        ("conv5", (10, 256, 13, 13)),
        ("pool5", (10, 256, 6, 6)),
        ("fc6", (10, 4096, 1, 1)),
        ("fc7", (10, 4096, 1, 1)),
        ("fc8", (10, 1000, 1, 1)),
        ("prob", (10, 1000, 1, 1)),
    ]

    assert [(k, v[0].data.shape) for k, v in net.caffenet.params.items()] == [
        ("conv1", (96, 3, 11, 11)),
        ("conv2", (256, 48, 5, 5)),
        ("conv3", (384, 256, 3, 3)),
        ("conv4", (384, 192, 3, 3)),
        ("conv5", (256, 192, 3, 3)),
        ("fc6", (1, 1, 4096, 9216)),
        ("fc7", (1, 1, 4096, 4096)),
        ("fc8", (1, 1, 1000, 4096)),
    ]

    # our network takes BGR images, so we need to switch color channels
    def showimage(im):
        if im.ndim == 3:
            im = im[:, :, ::-1]
        plt.imshow(im)

    # take an array of shape (n, height, width) or (n, height, width, channels)
    #  and visualize each (height, width) thing in a grid of size approx. sqrt(n) by sqrt(n)
    def vis_square(data, padsize=1, padval=0):
        data -= data.min()
        data /= data.max()

        # force the number of filters to be square
        n = int(np.ceil(np.sqrt(data.shape[0])))
        padding = ((0, n**2 - data.shape[0]), (0, padsize), (0, padsize)) + ((0, 0),) * (data.ndim - 3)
        data = np.pad(data, padding, mode="constant", constant_values=(padval, padval))

        # tile the filters into an image
        data = data.reshape((n, n) + data.shape[1:]).transpose((0, 2, 1, 3) + tuple(range(4, data.ndim + 1)))  # noqa: RUF005
        data = data.reshape((n * data.shape[1], n * data.shape[3]) + data.shape[4:])  # noqa: RUF005

        showimage(data)

    # index four is the center crop
    image = net.caffenet.blobs["data"].data[4].copy()
    image -= image.min()
    image /= image.max()
    showimage(image.transpose(1, 2, 0))
    assert shown().shape == (227, 227, 3)

    # the parameters are a list of [weights, biases]
    filters = net.caffenet.params["conv1"][0].data
    vis_square(filters.transpose(0, 2, 3, 1))
    assert shown().shape == (10 * 12, 10 * 12, 3)
    # As in pycaffe, the document's function has written into the network itself.
    assert (filters.min(), filters.max()) == (0, 1)

    feat = net.caffenet.blobs["conv1"].data[4, :36]
    vis_square(feat, padval=1)
    assert shown().shape == (6 * 56, 6 * 56)

    filters = net.caffenet.params["conv2"][0].data
    vis_square(filters[:48].reshape(48**2, 5, 5))
    assert shown().shape == (48 * 6, 48 * 6)

    feat = net.caffenet.blobs["conv2"].data[4, :36]
    vis_square(feat, padval=1)
    assert shown().shape == (6 * 28, 6 * 28)

    feat = net.caffenet.blobs["conv3"].data[4]
    vis_square(feat, padval=0.5)
    assert shown().shape == (20 * 14, 20 * 14)

    feat = net.caffenet.blobs["conv4"].data[4]
    vis_square(feat, padval=0.5)

    feat = net.caffenet.blobs["conv5"].data[4]
    vis_square(feat, padval=0.5)
    assert shown().shape == (16 * 14, 16 * 14)

    feat = net.caffenet.blobs["pool5"].data[4]
    vis_square(feat, padval=1)
    assert shown().shape == (16 * 7, 16 * 7)

    for layer in ("fc6", "fc7"):
        feat = net.caffenet.blobs[layer].data[4]
        plt.subplot(2, 1, 1)
        plt.plot(feat.flat)
        plt.subplot(2, 1, 2)
        counts, _, _ = plt.hist(feat.flat[feat.flat > 0], bins=100)
        assert counts.sum() == (feat > 0).sum() > 500

    feat = net.caffenet.blobs["prob"].data[4]
    plt.plot(feat.flat)
    assert len(plt.gca().lines[-1].get_ydata()) == 1000

    labels = np.loadtxt(caffe_root + "data/ilsvrc12/synset_words.txt", str, delimiter="\t")

    top_k = net.caffenet.blobs["prob"].data[4].flatten().argsort()[-1:-6:-1]
    print(labels[top_k])
    assert labels.shape == (1000,)
    assert net.caffenet.blobs["prob"].data[4].flatten()[top_k[0]] == feat.max()


def test_the_first_generation_computes_what_todays_does(caffe_root):
    """The V0 text with four-axis blobs and the V2 text give the same numbers for the center crop."""
    old = convscope.caffe.imagenet.ImageNetClassifier(
        caffe_root + "models/imagenet.prototxt", caffe_root + "models/caffe_reference_imagenet_model"
    )
    old.predict(caffe_root + "examples/images/cat.jpg")
    folder = caffe_root + "models/bvlc_reference_caffenet/"
    new = caffe.Net(folder + "deploy.prototxt", folder + "bvlc_reference_caffenet.caffemodel", caffe.TEST)
    new.forward(data=old.caffenet.blobs["data"].data)
    assert list(new.blobs) == list(old.caffenet.blobs)
    for name, blob in new.blobs.items():
        np.testing.assert_array_equal(blob.data, old.caffenet.blobs[name].data.reshape(blob.shape))

    picture = caffe.io.load_image(caffe_root + "examples/images/cat.jpg")
    mean = np.load(caffe_root + "models/ilsvrc_2012_mean.npy").transpose(1, 2, 0)
    whole = caffe.io.resize_image(picture, (256, 256))[:, :, ::-1] * 255 - mean
    center = whole[14 : 14 + 227, 14 : 14 + 227].transpose(2, 0, 1)
    np.testing.assert_allclose(old.caffenet.blobs["data"].data[4], center, atol=1e-3)
    np.testing.assert_array_equal(
        old.caffenet.blobs["data"].data[9], old.caffenet.blobs["data"].data[4][:, :, ::-1]
    )


def vis_square(data):
    """Take an array of shape (n, height, width) or (n, height, width, 3)
    and visualize each (height, width) thing in a grid of size approx. sqrt(n) by sqrt(n)"""

    # normalize data for display
    data = (data - data.min()) / (data.max() - data.min())

    # force the number of filters to be square
    n = int(np.ceil(np.sqrt(data.shape[0])))
    padding = ((0, n**2 - data.shape[0]), (0, 1), (0, 1)) + ((0, 0),) * (
        data.ndim - 3
    )  # don't pad the last dimension (if there is one)
    data = np.pad(data, padding, mode="constant", constant_values=1)  # pad with ones (white)

    # tile the filters into an image
    data = data.reshape((n, n) + data.shape[1:]).transpose((0, 2, 1, 3) + tuple(range(4, data.ndim + 1)))  # noqa: RUF005
    data = data.reshape((n * data.shape[1], n * data.shape[3]) + data.shape[4:])  # noqa: RUF005

    plt.imshow(data)
    plt.axis("off")


def test_documents_001_and_002(caffe_root, capsys):
    model = caffe_root + "models/bvlc_reference_caffenet/"
    caffe.set_mode_cpu()
    net = caffe.Net(model + "deploy.prototxt", model + "bvlc_reference_caffenet.caffemodel", caffe.TEST)

    # exercise 4: the steps of the lab's guidance
    mu = np.load(caffe_root + "python/caffe/imagenet/ilsvrc_2012_mean.npy")
    mu = mu.mean(1).mean(1)  # average over pixels to obtain the mean (BGR) pixel values
    np.testing.assert_allclose(mu, [104.0069879317889, 116.66876761696767, 122.6789143406786])
    transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_mean("data", mu)
    transformer.set_raw_scale("data", 255)
    transformer.set_channel_swap("data", (2, 1, 0))
    net.blobs["data"].reshape(50, 3, 227, 227)
    image = caffe.io.load_image(caffe_root + "examples/images/cat.jpg")
    net.blobs["data"].data[...] = transformer.preprocess("data", image)
    output = net.forward()
    output_prob = output["prob"][0]
    labels = np.loadtxt(caffe_root + "data/ilsvrc12/synset_words.txt", str, delimiter="\t")
    top_inds = output_prob.argsort()[::-1][:5]
    print("probabilities and labels:", list(zip(output_prob[top_inds], labels[top_inds], strict=True)))
    assert output["prob"].shape == (50, 1000)
    capsys.readouterr()

    # for each layer, show the output shape
    for layer_name, blob in net.blobs.items():
        print(layer_name + "\t" + str(blob.data.shape))
    assert capsys.readouterr().out == "".join(f"{name}\t{(50, *shape)}\n" for name, shape in FEATURES)

    for layer_name, param in net.params.items():
        print(layer_name + "\t" + str(param[0].data.shape), str(param[1].data.shape))
    assert capsys.readouterr().out == (
        "conv1\t(96, 3, 11, 11) (96,)\n"
        "conv2\t(256, 48, 5, 5) (256,)\n"
        "conv3\t(384, 256, 3, 3) (384,)\n"
        "conv4\t(384, 192, 3, 3) (384,)\n"
        "conv5\t(256, 192, 3, 3) (256,)\n"
        "fc6\t(4096, 9216) (4096,)\n"
        "fc7\t(4096, 4096) (4096,)\n"
        "fc8\t(1000, 4096) (1000,)\n"
    )

    # the parameters are a list of [weights, biases]
    filters = net.params["conv1"][0].data
    vis_square(filters.transpose(0, 2, 3, 1))
    assert shown().shape == (120, 120, 3)

    feat = net.blobs["conv1"].data[0, :36]
    vis_square(feat)
    assert feat.shape == (36, 55, 55)
    assert shown().shape == (6 * 56, 6 * 56)

    feat = net.blobs["pool5"].data[0]
    vis_square(feat)
    assert shown().shape == (16 * 7, 16 * 7)

    feat = net.blobs["fc6"].data[0]
    plt.subplot(2, 1, 1)
    plt.plot(feat.flat)
    plt.subplot(2, 1, 2)
    _ = plt.hist(feat.flat[feat.flat > 0], bins=100)

    feat = net.blobs["prob"].data[0]
    plt.figure(figsize=(15, 3))
    plt.plot(feat.flat)
    assert plt.gca().lines[-1].get_ydata().sum() == pytest.approx(1, abs=1e-4)


def test_the_cells_on_a_real_network_find_the_cat(caffe_root):
    folder = caffe_root + "models/bvlc_googlenet/"
    net = caffe.Net(folder + "deploy.prototxt", folder + "bvlc_googlenet.caffemodel", caffe.TEST)
    transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
    transformer.set_transpose("data", (2, 0, 1))
    mean = np.load(caffe_root + "python/caffe/imagenet/ilsvrc_2012_mean.npy").mean(1).mean(1)
    transformer.set_mean("data", mean)
    transformer.set_raw_scale("data", 255)
    transformer.set_channel_swap("data", (2, 1, 0))

    net.blobs["data"].reshape(2, 3, 224, 224)
    image = caffe.io.load_image(caffe_root + "examples/images/cat.jpg")
    net.blobs["data"].data[...] = transformer.preprocess("data", image)
    out = net.forward()
    labels = np.loadtxt(caffe_root + "data/ilsvrc12/synset_words.txt", str, delimiter="\t")
    top_k = net.blobs["prob"].data[0].flatten().argsort()[-1:-6:-1]
    assert {"n02123159 tiger cat", "n02123045 tabby, tabby cat"} <= set(labels[top_k])
    assert out["prob"][0].argmax() in (281, 282, 285)
    np.testing.assert_array_equal(out["prob"][0], out["prob"][1])

    restored = transformer.deprocess("data", net.blobs["data"].data[0])
    np.testing.assert_allclose(restored, caffe.io.resize_image(image, (224, 224)), atol=1e-5)

    vis_square(net.params["conv1/7x7_s2"][0].data.transpose(0, 2, 3, 1))
    assert shown().shape == (8 * 8, 8 * 8, 3)
    vis_square(net.blobs["conv1/7x7_s2"].data[0, :36])
    assert shown().shape == (6 * 113, 6 * 113)


def test_classifier_and_detector_find_the_cat(caffe_root):
    folder = caffe_root + "models/bvlc_googlenet/"
    arguments = {
        "mean": np.load(caffe_root + "python/caffe/imagenet/ilsvrc_2012_mean.npy").mean(1).mean(1),
        "raw_scale": 255,
        "channel_swap": (2, 1, 0),
    }
    files = folder + "deploy.prototxt", folder + "bvlc_googlenet.caffemodel"
    classifier = caffe.Classifier(*files, image_dims=(256, 256), **arguments)
    image = caffe.io.load_image(caffe_root + "examples/images/cat.jpg")
    for oversample in (True, False):
        prediction = classifier.predict([image], oversample=oversample)
        assert prediction.shape == (1, 1000)
        assert prediction[0].argmax() in (281, 282, 285)
        assert prediction.sum() == pytest.approx(1, abs=1e-4)

    detector = caffe.Detector(*files, context_pad=16, **arguments)
    windows = [(0, 0, 360, 480), (0, 300, 100, 480)]
    found = detector.detect_windows([(caffe_root + "examples/images/cat.jpg", windows)])
    assert [entry["window"] for entry in found] == windows
    assert found[0]["prediction"].argmax() in (281, 282, 285)
    assert found[0]["prediction"].shape == (1000,)


def test_the_deep_dream_notebooks_step_makes_the_layer_answer_more(caffe_root):
    """The step of google/deepdream's notebook (2015), which runs on Classifier."""
    folder = caffe_root + "models/bvlc_googlenet/"
    net = caffe.Classifier(
        folder + "deploy.prototxt",
        folder + "bvlc_googlenet.caffemodel",
        mean=np.float32([104.0, 116.0, 122.0]),  # ImageNet mean, training set dependent
        channel_swap=(2, 1, 0),  # the reference model has channels in BGR order instead of RGB
    )
    end = "inception_4c/output"
    img = caffe.io.load_image(caffe_root + "examples/images/cat.jpg")[:200, :240] * 255
    base = np.float32(np.rollaxis(img, 2)[::-1]) - net.transformer.mean["data"]
    src, dst = net.blobs["data"], net.blobs[end]
    src.reshape(1, *base.shape)
    src.data[0] = base
    answers = []
    for ox, oy in ((3, -7), (-12, 5), (0, 30)):
        src.data[0] = np.roll(np.roll(src.data[0], ox, -1), oy, -2)  # apply jitter shift
        net.forward(end=end)
        answers.append(float((dst.data**2).sum()))
        dst.diff[:] = dst.data  # specify the optimization objective
        net.backward(start=end)
        g = src.diff[0]
        # apply normalized ascent step to the input image
        src.data[:] += 1.5 / np.abs(g).mean() * g
        src.data[0] = np.roll(np.roll(src.data[0], -ox, -1), -oy, -2)  # unshift image
    assert dst.data.shape == (1, 512, 12, 15)
    assert answers[0] < answers[1] < answers[2]
