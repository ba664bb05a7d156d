"""The interface of 2014: preprocessing as methods of the net, Classifier, Detector, ImageNetClassifier."""

import numpy as np
import pytest
from PIL import Image

import convscope.caffe.imagenet
from convscope import caffe
from convscope.errors import ConvscopeWarning, InputError, MissingPackage

TEXT = """name: "colors" input: "data" input_dim: 4 input_dim: 3 input_dim: 8 input_dim: 8
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean" pooling_param { pool: AVE global_pooling: true } }
layer { name: "scores" type: "InnerProduct" bottom: "mean" top: "scores" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "scores" top: "prob" }
"""


@pytest.fixture
def files(tmp_path):
    """A net whose classes are blue, green and red: its scores are the means of its BGR input."""
    text, weights = str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel")
    (tmp_path / "net.prototxt").write_text(TEXT)
    net = caffe.Net(text, caffe.TEST)
    net.params["scores"][0].data[...] = np.eye(3)
    net.save(weights)
    return text, weights


def picture(red, green, blue, size=(20, 16)):
    return np.ones((*size, 3), np.float32) * np.array([red, green, blue], np.float32)


def test_methods_of_the_net(files, tmp_path):
    net = caffe.Net(*files)
    mean = np.stack([np.full((8, 8), value, np.float32) for value in (10, 20, 30)])
    np.save(tmp_path / "mean.npy", mean)
    net.set_mean("data", str(tmp_path / "mean.npy"), mode="channel")
    net.set_raw_scale("data", 255)
    net.set_input_scale("data", 2)
    net.set_channel_swap("data", (2, 1, 0))
    made = net.preprocess("data", picture(1, 0.5, 0))
    assert made.shape == (3, 8, 8)
    np.testing.assert_allclose(made[:, 0, 0], [-20, 2 * (127.5 - 20), 2 * (255 - 30)], rtol=1e-5)
    np.testing.assert_allclose(net.deprocess("data", made), picture(1, 0.5, 0, (8, 8)), atol=1e-6)
    net.blobs["data"].reshape(4, 3, 6, 5)
    assert net.preprocess("data", picture(1, 0, 0)).shape == (3, 6, 5)
    with pytest.raises(InputError, match=r"elementwise"):
        net.set_mean("data", mean, mode="pixel")


@pytest.mark.parametrize("oversample", [True, False])
def test_classifier(files, oversample):
    net = caffe.Classifier(
        *files, image_dims=(12, 12), raw_scale=255, mean=np.full(3, 100.0), channel_swap=(2, 1, 0)
    )
    answers = net.predict([picture(1, 0, 0), picture(0, 1, 0), picture(0, 0, 1)], oversample=oversample)
    assert answers.shape == (3, 3)
    assert answers.argmax(1).tolist() == [2, 1, 0]
    np.testing.assert_allclose(answers.sum(1), 1, rtol=1e-5)
    with pytest.raises(InputError, match=r"no picture"):
        net.predict([])


def test_the_mean_file_of_2013(files, tmp_path):
    mean = np.random.default_rng(4).uniform(50, 90, (3, 12, 12)).astype(np.float32)
    np.save(tmp_path / "mean.npy", mean)
    options = {"image_dims": (12, 12), "raw_scale": 255, "channel_swap": (2, 1, 0)}
    answers = [
        caffe.Classifier(*files, **options, **said).predict([picture(0.2, 0.6, 0.4)], oversample=False)
        for said in ({"mean": tmp_path / "mean.npy"}, {"mean_file": tmp_path / "mean.npy"}, {})
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


def test_classifier_squashes_without_image_dims(files):
    net = caffe.Classifier(*files, raw_scale=3)
    assert net.image_dims == (8, 8)
    half = np.concatenate([picture(1, 0, 0, (10, 5)), picture(0, 0, 1, (10, 5))], axis=1)
    answer = net.predict([half], oversample=False)[0]
    assert answer[0] == pytest.approx(answer[2], rel=1e-4)
    assert answer[0] > 2 * answer[1]


def test_detector_answers_for_each_window(files, tmp_path):
    halves = np.concatenate([picture(1, 0, 0, (40, 30)), picture(0, 0, 1, (40, 30))], axis=1)
    file = str(tmp_path / "halves.png")
    Image.fromarray((halves * 255).astype(np.uint8)).save(file)
    net = caffe.Detector(*files, raw_scale=255, channel_swap=(2, 1, 0))
    windows = [(0, 0, 40, 30), (0, 30, 40, 60), (5, 2, 9, 28)]
    found = net.detect_windows([(file, windows), (file, windows[:1])])
    assert [entry["filename"] for entry in found] == [file] * 4
    assert [entry["window"] for entry in found] == [*windows, windows[0]]
    assert [entry["prediction"].argmax() for entry in found] == [2, 0, 2, 2]
    assert net.detect_windows([]) == []
    with pytest.raises(InputError, match=r"shows nothing"):
        net.detect_windows([(file, [(50, 0, 60, 10)])])
    with pytest.raises(MissingPackage, match=r"detect_windows"):
        net.detect_selective_search([file])


def test_context_around_a_window_is_the_picture_then_the_mean(files):
    net = caffe.Detector(*files, mean=np.array([0.0, 0.0, 0.25]), context_pad=2, channel_swap=(2, 1, 0))
    values = np.linspace(0, 1, 40, dtype=np.float32)[:, None, None] * np.ones((40, 40, 3), np.float32)
    inner = net.crop(values, (10, 10, 29, 29))
    assert inner.shape == (8, 8, 3)
    assert inner[2, 4, 0] < values[15, 0, 0] < inner[5, 4, 0] < values[29, 0, 0] < inner[7, 4, 0]
    corner = net.crop(values, (0, 0, 19, 19))
    np.testing.assert_array_equal(corner[:2], np.broadcast_to([0.25, 0, 0], (2, 8, 3)))
    np.testing.assert_array_equal(corner[:, :2], np.broadcast_to([0.25, 0, 0], (8, 2, 3)))
    assert (corner[7, 2:] > 0.3).all()
    with pytest.raises(InputError, match=r"square input"):
        net.configure_crop(4)


@pytest.mark.parametrize("context_pad", [None, 2])
def test_detector_of_gray_pictures(tmp_path, context_pad):
    text, weights = tmp_path / "gray.prototxt", str(tmp_path / "gray.caffemodel")
    text.write_text(TEXT.replace("input_dim: 3", "input_dim: 1").replace("num_output: 3", "num_output: 2"))
    net = caffe.Net(str(text), caffe.TEST)
    net.params["scores"][0].data[...] = [[1], [-1]]
    net.save(weights)
    halves = np.repeat(np.array([[255, 0]], np.uint8), 40, 0).repeat(30, 1)
    Image.fromarray(halves).save(tmp_path / "halves.png")
    net = caffe.Detector(str(text), weights, mean=np.array([0.5]), context_pad=context_pad)
    found = net.detect_windows([(str(tmp_path / "halves.png"), [(0, 0, 20, 15), (20, 45, 40, 60)])])
    assert [entry["prediction"].argmax() for entry in found] == [0, 1]


class TestImageNetClassifier:
    def test_mean_pixel_with_a_warning(self, files):
        with pytest.warns(ConvscopeWarning, match=r"ilsvrc_2012_mean.npy"):
            net = convscope.caffe.imagenet.ImageNetClassifier(*files, num_output=3)
        assert net.caffenet.blobs["data"].shape == (10, 3, 8, 8)
        answer = net.predict(picture(1, 0, 0))
        assert (answer.shape, answer.argmax()) == ((3,), 2)
        assert net.caffenet.blobs["prob"].data.shape == (10, 3, 1, 1)
        np.testing.assert_allclose(
            net.caffenet.blobs["data"].data[4, :, 0, 0], [-104.00699, -116.66877, 255 - 122.67891], rtol=1e-5
        )

    def test_center_alone_and_the_mean_picture(self, files, tmp_path):
        np.save(tmp_path / "ilsvrc_2012_mean.npy", np.random.default_rng(0).random((3, 256, 256)))
        net = convscope.caffe.imagenet.ImageNetClassifier(*files, center_only=True, num_output=3)
        gray = (np.random.default_rng(1).random((256, 256)) * 255).astype(np.uint8)
        net.predict(gray)
        expected = gray.astype(np.float32) - np.load(tmp_path / "ilsvrc_2012_mean.npy")
        assert net.caffenet.blobs["data"].data.shape == (1, 3, 8, 8)
        np.testing.assert_allclose(
            net.caffenet.blobs["data"].data[0], expected[:, 124:132, 124:132], atol=1e-4
        )

    def test_mistakes(self, files):
        with pytest.raises(InputError, match=r"3 classes, num_output is 1000"):
            convscope.caffe.imagenet.ImageNetClassifier(*files, mean=np.zeros((3, 256, 256)))
        with pytest.raises(InputError, match=r"found \(3,\)"):
            convscope.caffe.imagenet.ImageNetClassifier(*files, num_output=3, mean=np.zeros(3))
