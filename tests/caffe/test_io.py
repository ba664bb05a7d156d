"""The facts of pycaffe's own test_io.py, and pictures in and out."""

import numpy as np
import pytest
from PIL import Image
from skimage import color, data, transform

from convscope import caffe
from convscope.errors import InputError, PictureError


class TestBlobsAndArrays:
    def test_legacy_axes(self):
        blob = caffe.proto.caffe_pb2.BlobProto()
        blob.data.extend([0.0] * 100)
        blob.num, blob.channels, blob.height, blob.width = (1, 1, 10, 10)
        assert caffe.io.blobproto_to_array(blob).shape == (1, 1, 10, 10)

    def test_shape(self):
        blob = caffe.proto.caffe_pb2.BlobProto()
        blob.data.extend([0.0] * 100)
        blob.shape.dim.extend([10, 10])
        assert caffe.io.blobproto_to_array(blob).shape == (10, 10)

    def test_without_a_shape_many_numbers_are_an_error(self):
        blob = caffe.proto.caffe_pb2.BlobProto()
        blob.data.extend([0.0] * 100)
        with pytest.raises(ValueError):
            caffe.io.blobproto_to_array(blob)

    def test_a_single_number(self):
        blob = caffe.proto.caffe_pb2.BlobProto()
        blob.data.extend([123.0])
        assert caffe.io.blobproto_to_array(blob) == 123

    def test_there_and_back(self):
        values, diff = np.arange(24.0).reshape(2, 3, 4), -np.arange(24.0).reshape(2, 3, 4)
        blob = caffe.io.array_to_blobproto(values, diff)
        np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob), values)
        np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob, return_diff=True), diff)

    def test_lists_of_arrays_as_bytes(self):
        arrays = [np.arange(6.0).reshape(1, 2, 3), np.ones((4,))]
        stored = caffe.io.arraylist_to_blobprotovector_str(arrays)
        assert isinstance(stored, bytes)
        for found, expected in zip(caffe.io.blobprotovector_str_to_arraylist(stored), arrays, strict=True):
            np.testing.assert_array_equal(found, expected)

    def test_reads_a_mean_as_tutorials_do(self, shared_data):
        blob = caffe.proto.caffe_pb2.BlobProto()
        stored = (shared_data / "caffe/means/imagenet_mean.binaryproto").read_bytes()
        blob.ParseFromString(stored)
        mean = np.array(caffe.io.blobproto_to_array(blob))
        numbers = np.frombuffer(stored[-mean.size * 4 :], "<f4")
        np.testing.assert_array_equal(mean, numbers.reshape(1, 3, 256, 256))
        assert 0 < mean.min() < 100 < mean.max() < 255


class TestDatums:
    def test_a_label_makes_it_longer(self):
        with_label = caffe.io.array_to_datum(np.ones((10, 10, 3)), label=1)
        without = caffe.io.array_to_datum(np.ones((10, 10, 3)))
        assert len(with_label.SerializeToString()) > len(without.SerializeToString())

    @pytest.mark.parametrize("kind", [np.uint8, np.float32])
    def test_there_and_back(self, kind):
        values = np.arange(24).reshape(2, 3, 4).astype(kind)
        stored = caffe.io.array_to_datum(values, label=7).SerializeToString()
        datum = caffe.proto.caffe_pb2.Datum()
        datum.ParseFromString(stored)
        assert datum.label == 7
        np.testing.assert_array_equal(caffe.io.datum_to_array(datum), values)

    def test_three_axes_only(self):
        with pytest.raises(ValueError, match=r"channels, height, width"):
            caffe.io.array_to_datum(np.ones((10, 10)))


class TestPictures:
    def test_color_and_gray(self, tmp_path):
        photograph = data.astronaut()[::4, ::4]
        Image.fromarray(photograph).save(tmp_path / "a.png")
        found = caffe.io.load_image(str(tmp_path / "a.png"))
        assert (found.shape, found.dtype) == ((128, 128, 3), np.float32)
        np.testing.assert_allclose(found, photograph / 255, atol=1e-6)
        gray = caffe.io.load_image(tmp_path / "a.png", color=False)
        assert gray.shape == (128, 128, 1)
        np.testing.assert_allclose(gray[:, :, 0], color.rgb2gray(photograph), atol=1e-6)

    def test_a_gray_file_as_color(self, tmp_path):
        Image.fromarray(data.camera()).save(tmp_path / "gray.png")
        assert caffe.io.load_image(tmp_path / "gray.png").shape == (512, 512, 3)
        with pytest.raises(PictureError, match=r"nowhere.jpg"):
            caffe.io.load_image("nowhere.jpg")

    def test_resizing_is_bilinear_without_smoothing(self):
        picture = np.random.default_rng(0).random((8, 6, 3)).astype(np.float32)
        small = caffe.io.resize_image(picture, (4, 3))
        np.testing.assert_allclose(small, picture.reshape(4, 2, 3, 2, 3).mean((1, 3)), atol=1e-6)
        assert caffe.io.resize_image(picture, (16, 12), interp_order=0).shape == (16, 12, 3)
        np.testing.assert_allclose(
            caffe.io.resize_image(picture, (16, 12), interp_order=0)[::2, ::2], picture, atol=1e-6
        )
        assert (caffe.io.resize_image(np.full((5, 5, 1), 0.5), (9, 2)) == 0.5).all()

    def test_other_channel_counts_reach_from_corner_to_corner(self):
        picture = np.linspace(0, 1, 4)[:, None, None] * np.ones((4, 4, 5))
        grown = caffe.io.resize_image(picture, (7, 4))
        np.testing.assert_allclose(grown[:, 0, 0], np.linspace(0, 1, 7), atol=1e-6)

    def test_mistakes(self):
        with pytest.raises(InputError, match=r"height, width, channels"):
            caffe.io.resize_image(np.zeros((4, 4)), (2, 2))
        with pytest.raises(InputError, match=r"0 x 2"):
            caffe.io.resize_image(np.zeros((4, 4, 3)), (0, 2))

    def test_ten_crops_in_pycaffes_order(self):
        rows, columns = np.mgrid[:7, :9]
        picture = np.stack([rows, columns], axis=2).astype(float)
        crops = caffe.io.oversample([picture, picture + 100], (4, 5))
        assert (crops.shape, crops.dtype) == ((20, 4, 5, 2), np.float32)
        corners = [tuple(crop[0, 0]) for crop in crops[:5]]
        assert corners == [(0, 0), (0, 4), (3, 0), (3, 4), (1, 2)]
        np.testing.assert_array_equal(crops[5:10], crops[:5, :, ::-1])
        np.testing.assert_array_equal(crops[10:], crops[:10] + 100)


class TestTransformer:
    def make(self, **steps):
        transformer = caffe.io.Transformer({"data": (1, 3, 4, 5)})
        for name, value in steps.items():
            getattr(transformer, f"set_{name}")("data", value)
        return transformer

    def test_the_order_of_the_steps(self):
        picture = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
        mean = np.array([10.0, 20.0, 30.0])
        transformer = self.make(
            transpose=(2, 0, 1), channel_swap=(2, 1, 0), raw_scale=255, mean=mean, input_scale=0.5
        )
        expected = (picture.transpose(2, 0, 1)[::-1] * 255 - mean[:, None, None]) * 0.5
        found = transformer.preprocess("data", picture)
        assert (found.shape, found.dtype) == ((3, 4, 5), np.float32)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(transformer.deprocess("data", found[None]), picture, atol=1e-6)

    def test_nothing_given_is_changed(self):
        picture = np.ones((4, 5, 3), np.float32)
        transformer = self.make(raw_scale=255, mean=np.ones(3))
        transformer.transpose = {"data": (2, 0, 1)}
        made = transformer.preprocess("data", picture)
        transformer.deprocess("data", made)
        assert (picture == 1).all()
        assert (made == 254).all()

    def test_a_turned_channel_order_comes_back(self):
        picture = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32)
        transformer = self.make(transpose=(2, 0, 1), channel_swap=(1, 2, 0))
        made = transformer.preprocess("data", picture)
        np.testing.assert_array_equal(made[0], picture[:, :, 1])
        np.testing.assert_allclose(transformer.deprocess("data", made), picture)

    @pytest.mark.parametrize("mean", [None, np.array([7.0])])
    def test_a_gray_picture_comes_back(self, mean):
        transformer = caffe.io.Transformer({"data": (1, 1, 4, 5)})
        transformer.set_transpose("data", (2, 0, 1))
        transformer.set_channel_swap("data", (0,))
        if mean is not None:
            transformer.set_mean("data", mean)
        picture = np.random.default_rng(0).random((4, 5, 1)).astype(np.float32)
        made = transformer.preprocess("data", picture)
        for found in (made, made[None]):
            np.testing.assert_allclose(transformer.deprocess("data", found), picture, atol=1e-6)
        with pytest.raises(InputError, match=r"3 axes for 'data'; found \(2, 1, 4, 5\)"):
            transformer.deprocess("data", np.stack([made, made]))

    def test_without_a_transpose_axes_of_one_are_dropped(self):
        transformer = caffe.io.Transformer({"data": (1, 1, 4, 5)})
        assert transformer.deprocess("data", np.ones((1, 1, 4, 5))).shape == (4, 5)

    def test_any_size_becomes_the_inputs(self):
        assert self.make(transpose=(2, 0, 1)).preprocess("data", np.zeros((40, 31, 3))).shape == (3, 4, 5)

    @pytest.mark.parametrize("shape", [(3,), (4, 5), (3, 4, 5), (3, 8, 10), (8, 10)])
    def test_means_of_every_shape(self, shape):
        transformer = self.make(transpose=(2, 0, 1), mean=np.full(shape, 7.0))
        np.testing.assert_allclose(transformer.preprocess("data", np.zeros((4, 5, 3))), -7, atol=1e-5)

    def test_a_mean_picture_is_resized(self):
        mean = np.random.default_rng(0).random((3, 8, 10)) * 255
        transformer = self.make(mean=mean)
        expected = mean.reshape(3, 4, 2, 5, 2).mean((2, 4))
        np.testing.assert_allclose(transformer.mean["data"], expected, rtol=1e-5)

    @pytest.mark.parametrize(
        ("step", "value", "message"),
        [
            ("transpose", (0, 1), "3 axes"),
            ("channel_swap", (1, 0), "3 channels"),
            ("channel_swap", (0, 0, 1), "each once"),
            ("mean", np.zeros(4), "has 4 channels"),
            ("mean", np.zeros((4, 4, 5)), "does not fit"),
        ],
    )
    def test_wrong_steps(self, step, value, message):
        with pytest.raises(InputError, match=message):
            self.make(**{step: value})

    def test_an_unknown_input(self):
        with pytest.raises(Exception, match=r"'dta' is not one of the net inputs.*Did you mean 'data'"):
            self.make().preprocess("dta", np.zeros((4, 5, 3)))


@pytest.mark.parametrize("order", [0, 2, 3])
@pytest.mark.parametrize("size", [(50, 40), (11, 17)])
def test_splines_of_every_order_are_scikit_images(order, size):
    picture = (np.random.default_rng(3).random((23, 31, 3)) * 255).astype(np.float32)
    options = {"mode": "edge", "anti_aliasing": False, "preserve_range": True}
    expected = transform.resize(picture, size, order=order, **options)
    found = caffe.io.resize_image(picture, size, interp_order=order)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
