"""Damaged, random and hostile bytes into every reader: a clear convscope error or a result, in little memory."""

import sys
import tracemalloc
import warnings

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caffe_strategies import damaged, messages
from convscope.errors import ConvscopeError, ConvscopeWarning
from convscope.formats.caffe.means import read_mean
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.rules import filter_layers, insert_splits
from convscope.formats.caffe.text import read_text, read_text_file, write_text
from convscope.formats.caffe.upgrade import upgrade
from convscope.formats.caffe.weights import read_weights
from convscope.formats.caffe.wire import read_binary, write_binary

MEMORY = 64 * 2**20
EACH = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def survives(read, *arguments):
    """Call a reader; only convscope's own errors may come out, and it may not take much memory."""
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvscopeWarning)
            read(*arguments)
    except ConvscopeError as error:
        assert str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MEMORY


def read_and_use_net(text):
    net = read_text(text)
    assert read_text(write_text(net)) == net
    insert_splits(filter_layers(upgrade(net)))


def read_and_use_weights(path):
    for blobs in read_weights(path).values():
        for blob in blobs:
            if blob is not None:
                blob.array()


def small_net():
    net = Message("NetParameter", name="small", input=["data"], input_dim=[1, 3, 8, 8])
    for index in range(2):
        layer = net.add("layer", name=f"conv{index}", type="Convolution", bottom=["data"], top=["data"])
        layer.ensure("convolution_param").kernel_size = [3]
        layer.add("blobs", data=np.arange(6)).ensure("shape").dim = [2, 3]
        layer.add("blobs", double_data=np.arange(2)).num = 2
    old = net.copy()
    old.layers = [Message("V1LayerParameter", name="v1", type="RELU", blobs=net.layer[0].blobs)]
    return old


@given(st.binary(max_size=300))
@EACH
def test_random_bytes(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    for reader in (read_text_file, read_binary, read_weights, read_mean):
        survives(reader, path)
    for name in ("NetParameter", "BlobProto", "LayerParameter", "V0LayerParameter"):
        survives(read_binary, data, name)


@given(st.text(max_size=300))
@EACH
def test_random_text(text):
    survives(read_and_use_net, text)


@given(st.data())
@EACH
def test_damaged_caffemodels(tmp_path, data):
    path = tmp_path / "x.caffemodel"
    path.write_bytes(data.draw(damaged(write_binary(small_net()))))
    survives(read_and_use_weights, path)
    survives(read_binary, path)


@given(st.data())
@EACH
def test_damaged_caffemodels_of_the_zoo(shared_data, tmp_path, data):
    original = shared_data / "caffe" / "squeezenet_v1.1" / "squeezenet_v1.1.caffemodel"
    path = tmp_path / "x.caffemodel"
    with original.open("rb") as stream:
        path.write_bytes(data.draw(damaged(stream.read(30_000))))
    survives(read_and_use_weights, path)
    survives(read_binary, path)


@given(st.data())
@EACH
def test_damaged_prototxts(shared_data, data):
    name = data.draw(st.sampled_from(["imagenet_deploy_v0", "imagenet_deploy_v1", "lenet"]))
    text = (shared_data / "caffe" / "old_formats" / f"{name}.prototxt").read_bytes()
    survives(read_and_use_net, data.draw(damaged(text)).decode("latin-1"))


WORDS = [
    *"{}<>[]:,;-#",
    '"',
    "\n",
    "\\",
    "layer",
    "layers",
    "name",
    "type",
    "pool",
    "'a'",
    "1",
    "0x",
    "1e",
    "nan",
]


@given(st.lists(st.sampled_from(WORDS), max_size=60))
@EACH
def test_prototxts_made_of_the_right_words(words):
    survives(read_and_use_net, " ".join(words))


@given(messages())
@EACH
def test_any_valid_net_is_upgraded_or_refused(net):
    survives(read_and_use_net, write_text(net))


@given(st.data())
@EACH
def test_damaged_means(tmp_path, data):
    path = tmp_path / "mean"
    np.save(path.with_suffix(".npy"), np.ones((3, 4, 4), np.float32))
    good = [path.with_suffix(".npy").read_bytes()]
    good.append(write_binary(Message("BlobProto", num=1, channels=3, height=4, width=4, data=np.ones(48))))
    path.write_bytes(data.draw(damaged(data.draw(st.sampled_from(good)))))
    survives(read_mean, path)


@given(st.data())
@EACH
def test_damaged_hdf5(tmp_path, data):
    path = tmp_path / "x.caffemodel.h5"
    with h5py.File(path, "w") as opened:
        opened["data/conv/0"] = np.ones((4, 3), np.float32)
        opened.create_dataset("data/fc/0", data=np.ones(64, np.float32), compression="gzip", chunks=(16,))
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    survives(read_and_use_weights, path)


BOMBS = {
    "deep text": "layer { " * 100_000,
    "deep unknown text": "a { " * 100_000,
    "deep lists": "a: [" * 100_000,
    "a long number": f"input_dim: {'9' * 1_000_000}",
    "a long float": f"layer {{ loss_weight: {'9' * 1_000_000} }}",
    "a long name": f"{'n' * 1_000_000}: 1",
    "many quotes": "name: " + "'a' " * 100_000,
    "many backslashes": "name: '" + "\\\\" * 500_000,
    "a long comment": "#" * 1_000_000,
    "many empty comments": "#\n" * 300_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_text_bombs(name):
    if name == "many backslashes" and sys.version_info < (3, 11):
        pytest.skip("regular expressions without possessive quantifiers take 100 bytes a backslash")
    survives(read_text, BOMBS[name])


def test_binary_bombs(tmp_path):
    path = tmp_path / "x.caffemodel"
    huge = b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
    for data in (
        b"\x0a" + huge,
        b"\xa2\x06" + huge + b"\x3a" + huge,
        b"\x0b" * 200_000,
        b"\xa2\x06\x06\x0a\x01a\x3a\x01\x2a",
        b"\xa2\x06\x0c\x0a\x01a\x3a\x07\x3a\x05\x0a\x03\xff\xff\x7f",
    ):
        path.write_bytes(data)
        survives(read_and_use_weights, path)
        survives(read_binary, path)
