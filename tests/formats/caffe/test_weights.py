import struct
import tracemalloc

import numpy as np
import pytest

from convscope.errors import NetworkFileError
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.weights import Blob, fits, read_weights
from convscope.formats.caffe.wire import write_binary, write_binary_file
from convscope.formats.protobuf import records
from convscope.network.engine.execution import ALIGNMENT
from protobuf_oracle import message_class, parse_binary

NET = message_class("NetParameter")


def written(tmp_path, net):
    path = tmp_path / "x.caffemodel"
    path.write_bytes(net if isinstance(net, bytes) else net.SerializeToString())
    return path


def blob(numbers, shape=(), **values):
    return {"data": numbers, "shape": {"dim": shape}, **values}


def test_every_real_file_gives_protobufs_numbers(shared_data):
    paths = sorted(shared_data.glob("caffe/*/*.caffemodel"))
    assert len(paths) == 4
    for path in paths:
        theirs = {layer.name: layer.blobs for layer in parse_binary(path.read_bytes()).layer if layer.blobs}
        ours = read_weights(path)
        assert list(ours) == list(theirs)
        assert len(ours) >= 4
        for name, blobs in ours.items():
            assert len(blobs) == len(theirs[name])
            for mine, its in zip(blobs, theirs[name], strict=True):
                assert mine.shape == tuple(its.shape.dim)
                assert np.array_equal(mine.array().ravel(), np.array(its.data, np.float32))


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_layers_of_every_generation(tmp_path, generation):
    blobs = [blob([1, 2, 3, 4], [2, 2]), blob([5], [1])]
    net = {
        0: NET(layers=[{"layer": {"name": "conv1", "type": "conv", "blobs": blobs}, "top": ["a"]}]),
        1: NET(layers=[{"name": "conv1", "type": 4, "blobs": blobs}]),
        2: NET(layer=[{"name": "conv1", "type": "Convolution", "blobs": blobs}]),
    }[generation]
    weights = read_weights(written(tmp_path, net))
    assert list(weights) == ["conv1"]
    assert weights["conv1"][0].array().tolist() == [[1, 2], [3, 4]]
    assert weights["conv1"][1].array().tolist() == [5]


def test_arrays_are_what_torch_wants_wherever_they_lie_in_the_file(tmp_path):
    for padding in range(8):
        layer = {"name": "x" * padding, "blobs": [blob([1.5, 2.5], [2])]}
        array = read_weights(written(tmp_path, NET(layer=[layer])))["x" * padding][0].array()
        assert array.dtype == np.float32
        assert array.flags.aligned
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.ctypes.data % ALIGNMENT == 0  # or it is copied once more before it is used
        array += 1
        assert array.tolist() == [2.5, 3.5]


def test_every_array_is_a_new_one(tmp_path):
    found = read_weights(written(tmp_path, NET(layer=[{"name": "a", "blobs": [blob([1, 2], [2])]}])))["a"][0]
    first = found.array()
    first += 5
    assert found.array().tolist() == [1, 2]


def test_writing_to_an_array_leaves_the_file_alone(tmp_path):
    path = written(tmp_path, NET(layer=[{"name": "a", "blobs": [blob([1, 2], [2])]}]))
    before = path.read_bytes()
    read_weights(path)["a"][0].array()[:] = 9
    assert path.read_bytes() == before
    assert read_weights(path)["a"][0].array().tolist() == [1, 2]


def test_doubles_become_single_precision(tmp_path):
    net = NET(layer=[{"name": "a", "blobs": [{"double_data": [0.1, 2], "shape": {"dim": [2]}}]}])
    array = read_weights(written(tmp_path, net))["a"][0].array()
    assert array.dtype == np.float32
    assert array.tolist() == [np.float32(0.1), 2]


def test_numbers_with_a_tag_each(tmp_path):
    numbers = b"".join(b"\x2d" + struct.pack("<f", number) for number in range(100))
    inner = numbers + b"\x3a\x03\x0a\x01\x64"  # shape { dim: 100 }
    size = struct.pack("<BB", len(inner) & 127 | 128, len(inner) >> 7)
    layer = b"\x0a\x01a\x3a" + size + inner
    size = struct.pack("<BB", len(layer) & 127 | 128, len(layer) >> 7)
    data = b"\xa2\x06" + size + layer
    assert list(parse_binary(data).layer[0].blobs[0].data) == list(range(100))
    assert read_weights(written(tmp_path, data))["a"][0].array().tolist() == list(range(100))


def test_old_shapes_have_four_axes(tmp_path):
    old = {"num": 1, "channels": 1, "height": 2, "width": 3, "data": range(6)}
    found = read_weights(written(tmp_path, NET(layer=[{"name": "fc", "blobs": [old]}])))["fc"][0]
    assert (found.shape, found.legacy) == ((1, 1, 2, 3), True)
    assert found.fits((2, 3))
    assert not found.fits((3, 2))


def test_new_shapes_fit_only_themselves():
    assert Blob((1, 1, 2, 3), "x").fits((1, 1, 2, 3))
    assert not Blob((1, 1, 2, 3), "x").fits((2, 3))


# Caffe's TestLegacyBlobProtoShapeEquals, and the fully connected layers of old CaffeNets.
@pytest.mark.parametrize(
    ("found", "wanted", "answer"),
    [
        ((1, 1, 3, 2), (3, 2), True),
        ((0, 1, 3, 2), (3, 2), False),
        ((3, 1, 3, 2), (3, 2), False),
        ((1, 1, 3, 2), (1, 3, 2), True),
        ((1, 1, 3, 2), (2, 3, 2), False),
        ((1, 1, 4096, 9216), (4096, 9216), True),
        ((1, 1, 1, 96), (96,), True),
        ((1, 1, 1, 1), (), True),
        ((96, 3, 11, 11), (96, 3, 11, 11), True),
        ((1, 2, 3, 4), (1, 1, 2, 3, 4), False),
    ],
)
def test_fits(found, wanted, answer):
    assert fits(found, wanted) is answer


def test_a_single_number_has_no_axes(tmp_path):
    net = NET(layer=[{"name": "prelu", "blobs": [blob([0.25])]}])
    array = read_weights(written(tmp_path, net))["prelu"][0].array()
    assert (array.shape, array.item()) == ((), 0.25)


def test_the_last_layer_of_a_name_wins(tmp_path):
    layers = [
        {"name": "a", "blobs": [blob([1], [1])]},
        {"name": "a"},
        {"name": "a", "blobs": [blob([2], [1])]},
    ]
    assert read_weights(written(tmp_path, NET(layer=layers)))["a"][0].array().tolist() == [2]


def test_fields_of_other_caffes_do_not_matter(tmp_path):
    layer = NET(layer=[{"name": "a", "blobs": [blob([1], [1])]}]).layer[0].SerializeToString()
    layer += b"\xf0\x08\x05" + b"\xaa\x09\x01x"  # tile_param and prelu_param as no Caffe of ours writes them
    weights = read_weights(written(tmp_path, b"\xa2\x06" + bytes([len(layer)]) + layer))
    assert weights["a"][0].array().tolist() == [1]


WRONG = [
    (
        NET(layer=[{"name": "conv1", "blobs": [blob(range(12), [96, 3, 11, 11])]}]),
        ", layer 'conv1', blob 0 says its shape is 96x3x11x11 but holds 12 numbers.",
    ),
    (
        NET(layer=[{"name": "a", "blobs": [blob([1, 2], [-1, -2])]}]),
        ", layer 'a', blob 0 says its shape is -1x-2 but holds 2 numbers.",
    ),
    (
        NET(layer=[{"name": "a", "blobs": [{}]}]),
        ", layer 'a', blob 0 says its shape is a single number but holds 0 numbers.",
    ),
    (
        NET(layer=[{"name": "a", "blobs": [blob([1], [2**62, 2**62])]}]),
        f", layer 'a', blob 0 says its shape is {2**62}x{2**62} but holds 1 numbers.",
    ),
    (
        NET(name="x", layer=[{"name": "a"}, {"name": "b"}]),
        " holds 2 layers, none of them with weights. Give the .caffemodel",
    ),
    (NET(name="x"), " holds no layers of a Caffe network. Give the .caffemodel that training wrote."),
    (
        b"\xa2\x06\x02\x08\x01",
        ", byte 3: a layer's name or weights are not where they belong: the file is damaged.",
    ),
    (b"\xa0\x06\x02", ", byte 0: a layer is not where it belongs: the file is damaged."),
    (b"\x0a\x01a\xa2\x06\x90\x4e", ", byte 3: the file ends after 7 bytes, inside a field"),
    (b"\x00\x01", ", byte 0: no field begins like this: the file is damaged, or of another kind."),
    (b"", " is empty, not a network's weights (caffemodel). Download or copy it again."),
    (b"<!DOCTYPE html><html>Sign in", " is a web page (HTML), not a network's weights (caffemodel)."),
    (
        b"layer { name: 'a' }",
        " is a network's description (prototxt text), not a network's weights (caffemodel).",
    ),
    (
        message_class("SolverState")(iter=5, learned_net="x.caffemodel"),
        " is a solver's state, saved while training, not a",
    ),
    (
        message_class("BlobProto")(num=1, channels=1, data=[1]),
        " is a mean picture (binaryproto), not a network's weights",
    ),
]


@pytest.mark.parametrize(("net", "message"), WRONG)
def test_wrong_files(tmp_path, net, message):
    path = written(tmp_path, net)
    with pytest.raises(NetworkFileError) as error:
        read_weights(path)
    assert str(error.value).startswith(f"{path}{message}")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(
        NetworkFileError, match=r"nowhere\.caffemodel does not exist: give the path of a file\.$"
    ):
        read_weights(tmp_path / "nowhere.caffemodel")


def test_opening_a_large_file_takes_no_memory_for_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "COPIED_BYTES", 2**20)  # smaller ones are copied
    path, net = tmp_path / "big.caffemodel", Message("NetParameter")
    numbers = Message(
        "BlobProto", shape=Message("BlobShape", dim=[5000, 1000]), data=np.ones(5_000_000, np.float32)
    )
    for index in range(4):
        net.add("layer", name=f"fc{index}", blobs=[numbers])
    write_binary_file(net, path)
    assert path.stat().st_size > 80_000_000
    del net, numbers
    tracemalloc.start()
    weights = read_weights(path)
    assert tracemalloc.get_traced_memory()[1] < 200_000
    array = weights["fc2"][0].array()
    assert tracemalloc.get_traced_memory()[1] < 21_000_000
    tracemalloc.stop()
    assert array.shape == (5000, 1000)
    assert array.sum() == 5_000_000


def test_a_mapped_file_may_be_replaced(tmp_path):
    path = tmp_path / "x.caffemodel"
    net = Message("NetParameter", name="a")
    net.add("layer", name="fc").add("blobs", data=[1.0, 2.0]).ensure("shape").dim = [2]
    path.write_bytes(write_binary(net))
    weights = read_weights(path)
    write_binary_file(Message("NetParameter", name="b"), path)
    assert weights["fc"][0].array().tolist() == [1, 2]
    assert path.read_bytes() == b"\x0a\x01b"
