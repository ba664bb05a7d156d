import io
import zipfile

import numpy as np
import pytest

from convscope.errors import NetworkFileError
from convscope.formats.caffe.means import read_mean
from protobuf_oracle import message_class, parse_binary


def test_the_imagenet_mean_of_the_tutorials(shared_data):
    mean = read_mean(shared_data / "caffe" / "means" / "ilsvrc_2012_mean.npy")
    assert (mean.shape, mean.dtype) == ((3, 256, 256), np.float32)
    facts = [104.0069879317889, 116.66876761696767, 122.6789143406786]  # Caffe's classification notebook, BGR
    assert mean.mean(axis=(1, 2), dtype=np.float64) == pytest.approx(facts, rel=1e-6)


def test_a_binaryproto_holds_protobufs_numbers(shared_data):
    path = shared_data / "caffe" / "means" / "imagenet_mean.binaryproto"
    mean, theirs = read_mean(path), parse_binary(path.read_bytes(), "BlobProto")
    assert mean.shape == (theirs.channels, theirs.height, theirs.width) == (3, 256, 256)
    assert np.array_equal(mean.ravel(), np.array(theirs.data, np.float32))
    assert mean.flags.writeable


@pytest.mark.parametrize(
    "values",
    [
        {"num": 1, "channels": 3, "height": 2, "width": 2, "data": range(12)},
        {"shape": {"dim": [3, 2, 2]}, "data": range(12)},
        {"shape": {"dim": [1, 3, 2, 2]}, "double_data": range(12)},
    ],
)
def test_shapes_of_every_age(tmp_path, values):
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(message_class("BlobProto")(**values).SerializeToString())
    assert np.array_equal(read_mean(path), np.arange(12).reshape(3, 2, 2))


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        (np.arange(3), (3, 1, 1)),
        (np.ones((4, 5), np.uint8), (1, 4, 5)),
        (np.ones((1, 3, 4, 5)), (3, 4, 5)),
        (np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)), (2, 3, 4)),
        (np.ones((3, 3, 3)), (3, 3, 3)),
    ],
)
def test_arrays(tmp_path, array, shape):
    path = tmp_path / "mean.any"  # the content decides, not the name
    with path.open("wb") as stream:
        np.save(stream, array)
    mean = read_mean(path)
    assert (mean.shape, mean.dtype) == (shape, np.float32)
    assert np.array_equal(mean, array.reshape(shape))


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def header(shape, kind="<f4"):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", npy(np.ones(3)))
    return stream.getvalue()


class Exploding:
    def __reduce__(self):
        return (pytest.fail, ("code in a mean file ran",))


WRONG = [
    (b"", " is empty, not a mean picture (binaryproto). Download or copy it again."),
    (
        npy(np.array([Exploding()]), allow_pickle=True),
        " is a damaged NumPy array: it holds object, not numbers.",
    ),
    (npy(np.array(["a"])), " is a damaged NumPy array: it holds <U1, not numbers."),
    (npy(np.ones(3))[:-1], " is a damaged NumPy array: its header says 24 bytes, and 23 follow."),
    (npy(np.ones(3))[:20], " is a damaged NumPy array: "),
    (header((3, 10**9, 10**9)), " is a damaged NumPy array: "),
    (
        header((3, -5, 5)) + bytes(300),
        " is a damaged NumPy array: its header says -300 bytes, and 300 follow.",
    ),
    (header("__import__('os').abort()"), " is a damaged NumPy array: "),
    (
        b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(100),
        " is a damaged NumPy array: EOF: reading array header",
    ),
    (b"\x93NUMPY\x00\x00v\x00{'descr':" + bytes(100), " is a damaged NumPy array: EOF: reading array header"),
    (header((0, 5, 5)), " is shaped 0x5x5; a mean is"),
    (npy(np.ones((256, 256, 3))), " is shaped 256x256x3; a mean is channels x height x width, as 3x256x256."),
    (npy(np.ones((2, 3, 4, 5))), " is shaped 2x3x4x5; a mean is channels x height x width, as 3x256x256."),
    (npy(np.ones(())), " is shaped a single number; a mean is"),
    (npy(np.array([1, np.nan])), " holds numbers that are not finite, which no mean does."),
    (zipped(), " is a zip archive, not a mean picture (binaryproto)."),
    (
        message_class("NetParameter")(name="x", layer=[{"name": "a"}]).SerializeToString(),
        " is a network's weights (caffemodel)",
    ),
    (
        message_class("BlobProto")(num=1, channels=3, height=2, width=2, data=[1]).SerializeToString(),
        " says its shape is 1x3x2x2 but",
    ),
    (
        message_class("BlobProto")(num=1, channels=3, height=2, width=2).SerializeToString(),
        " says its shape is 1x3x2x2 but holds 0",
    ),
]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_wrong_files(tmp_path, content, message):
    path = tmp_path / "mean.npy"
    path.write_bytes(content)
    with pytest.raises(NetworkFileError) as error:
        read_mean(path)
    assert str(error.value).startswith(f"{path}{message}")
    assert "\n" not in str(error.value)
