import tracemalloc

import numpy as np
import pytest
from hypothesis import given

from caffe_strategies import messages
from convscope.errors import ConvscopeWarning, NetworkFileError
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.text import read_text
from convscope.formats.caffe.wire import read_binary, write_binary, write_binary_file
from convscope.formats.protobuf import records
from protobuf_oracle import message_class, parse_binary


def test_every_real_file_comes_back_byte_for_byte(shared_data):
    paths = sorted([*shared_data.glob("caffe/*/*.caffemodel"), *shared_data.glob("caffe/*/*.binaryproto")])
    assert len(paths) == 5
    for path in paths:
        name = "BlobProto" if path.suffix == ".binaryproto" else "NetParameter"
        ours, data = read_binary(path, name), path.read_bytes()
        assert write_binary(ours) == data, path
        theirs = parse_binary(data, name)
        if name == "NetParameter":
            blobs = [(mine, its) for layer, other in zip(ours.layer, theirs.layer, strict=True)
                     for mine, its in zip(layer.blobs, other.blobs, strict=True)]  # fmt: skip
            assert blobs or ours.layers
            assert [layer.name for layer in ours.layer] == [layer.name for layer in theirs.layer]
        else:
            blobs = [(ours, theirs)]
        for mine, its in blobs:
            assert np.array_equal(mine.data, np.array(its.data, np.float32))


@given(messages())
def test_any_message_agrees_with_protobuf(net):
    data = write_binary(net)
    theirs = parse_binary(data)
    assert theirs.SerializeToString() == data
    assert read_binary(data) == net


def unpacked(numbers, tag=b"\x2d"):
    return b"".join(tag + np.float32(number).tobytes() for number in numbers)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200, 5000])
def test_numbers_that_are_not_packed(count):
    numbers = np.arange(count, dtype=np.float32)
    data = unpacked(numbers)
    assert np.array_equal(read_binary(data, "BlobProto").data, numbers)
    assert list(parse_binary(data, "BlobProto").data) == list(numbers)


def test_pieces_of_numbers_are_put_together():
    packed = write_binary(Message("BlobProto", data=np.float32([1, 2])))
    data = unpacked([7, 8]) + packed + b"\x08\x03" + unpacked([9]) + packed
    blob = read_binary(data, "BlobProto")
    assert blob.data.tolist() == [7, 8, 1, 2, 9, 1, 2] == list(parse_binary(data, "BlobProto").data)
    assert blob.num == 3


def test_doubles_stay_doubles():
    blob = read_binary(write_binary(Message("BlobProto", double_data=[0.1, 1e300])), "BlobProto")
    assert blob.double_data.dtype == np.float64
    assert blob.double_data.tolist() == [0.1, 1e300]


def test_numbers_share_the_memory_of_the_file():
    data = bytearray(write_binary(Message("BlobProto", data=np.arange(1000, dtype=np.float32))))
    blob = read_binary(data, "BlobProto")
    data[-4:] = np.float32(-5).tobytes()
    assert blob.data[-1] == -5


def test_writing_to_numbers_leaves_the_file_alone(tmp_path):
    path = tmp_path / "x.binaryproto"
    write_binary_file(Message("BlobProto", shape=Message("BlobShape", dim=[3]), data=np.zeros(3)), path)
    before = path.read_bytes()
    read_binary(path, "BlobProto").data[:] = 7
    assert path.read_bytes() == before
    assert read_binary(path, "BlobProto").data.tolist() == [0, 0, 0]


def test_a_big_file_opens_without_its_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "COPIED_BYTES", 2**20)  # smaller ones are copied
    path = tmp_path / "big.caffemodel"
    net = Message("NetParameter", name="big")
    numbers = np.zeros(5_000_000, np.float32)
    for index in range(4):
        net.add("layer", name=f"fc{index}").add("blobs").data = numbers
    write_binary_file(net, path)
    assert path.stat().st_size > 80_000_000
    del net, numbers
    tracemalloc.start()
    opened = read_binary(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000
    assert [len(layer.blobs[0].data) for layer in opened.layer] == [5_000_000] * 4


def test_a_message_given_twice_is_merged_as_protobuf_does():
    data = write_binary(read_text_layer("pool: AVE")) + write_binary(read_text_layer("stride: 3"))
    layer = read_binary(data, "LayerParameter")
    assert (layer.pooling_param.pool, layer.pooling_param.stride) == ("AVE", 3)
    assert parse_binary(data, "LayerParameter").SerializeToString() == write_binary(layer)


def read_text_layer(text):
    return read_text(f"pooling_param {{ {text} }}", "LayerParameter")


def test_negative_and_large_numbers():
    state = message_class("NetState")(level=-7)
    assert read_binary(state.SerializeToString(), "NetState").level == -7
    shape = message_class("BlobShape")(dim=[-1, 2**62])
    assert read_binary(shape.SerializeToString(), "BlobShape").dim == [-1, 2**62]
    kernel = message_class("ConvolutionParameter")(num_output=2**32 - 1)
    assert read_binary(kernel.SerializeToString(), "ConvolutionParameter").num_output == 2**32 - 1


def test_repeated_numbers_may_be_packed_where_caffe_does_not():
    data = b"\x22\x02\x03\x05" + b"\x20\x07"  # kernel_size = 4: packed 3, 5, then 7
    assert read_binary(data, "ConvolutionParameter").kernel_size == [3, 5, 7]
    assert read_binary(b"\x2a\x08" + np.float32([1, 2]).tobytes(), "LayerParameter").loss_weight == [1.0, 2.0]


def test_unknown_fields_are_kept_warned_about_and_written_back():
    data = b"\x0a\x01a" + b"\xba\x3e\x02hi" + b"\xc0\x3e\x05"  # fields 999 and 1000
    with pytest.warns(
        ConvscopeWarning, match=r"LayerParameter\.999 \(byte 3\), LayerParameter\.1000 \(byte 8\)"
    ):
        layer = read_binary(data, "LayerParameter")
    assert [(field.name, field.place) for field in layer.unknown] == [("999", "byte 3"), ("1000", "byte 8")]
    assert write_binary(layer) == data


def test_a_name_of_another_caffe_is_an_unknown_field():
    with pytest.warns(ConvscopeWarning, match=r"ConvolutionParameter\.15 \(byte 0\)"):
        parameters = read_binary(b"\x78\x09", "ConvolutionParameter")
    assert parameters.engine == "DEFAULT"
    assert write_binary(parameters) == b"\x78\x09"


WRONG = [
    (
        "LayerParameter",
        b"\x08\x05",
        "byte 0: LayerParameter.name is stored as a whole number instead of a run of",
    ),
    ("PoolingParameter", b"\x12\x01\x03", "byte 0: PoolingParameter.kernel_size is stored as a run of bytes"),
    (
        "LRNParameter",
        b"\x10\x03",
        "byte 0: LRNParameter.alpha is stored as a whole number instead of 4 bytes",
    ),
    ("LayerParameter", b"\x0a\x01a\xa0\x06\x01", "byte 3: LayerParameter.transform_param is stored as"),
    ("BlobProto", b"\x08\x01\x2a\x05abcde", "byte 2: BlobProto.data holds a part of a number"),
    ("BlobProto", b"\x29" + bytes(8), "byte 0: BlobProto.data is stored as 8 bytes instead of 4 bytes"),
    ("BlobShape", b"\x0a\x02\x01\x80", "byte 3: the file ends after 4 bytes, inside a field"),
    ("NetParameter", b"\xa2\x06\x04\x0a\x05ab", "byte 3: the file ends after 7 bytes, inside a field"),
    (
        "NetParameter",
        b"\xa2\x06\x03\x0a\x05abcdefgh",
        "byte 3: a field runs past byte 6, where the message around it",
    ),
]


@pytest.mark.parametrize(("name", "data", "problem"), WRONG)
def test_wrong_files_name_the_byte_and_the_field(name, data, problem):
    with pytest.raises(NetworkFileError) as error:
        read_binary(data, name)
    assert str(error.value).startswith(f"binary data, {problem}")


def test_swapped_files(shared_data):
    folder = shared_data / "caffe"
    with pytest.raises(NetworkFileError, match=r"is a network's description .*, not a network's weights"):
        read_binary(folder / "bvlc_googlenet" / "deploy.prototxt")
    with pytest.raises(NetworkFileError, match=r"is a mean picture .*, not a network's weights"):
        read_binary(folder / "means" / "imagenet_mean.binaryproto")
    with pytest.raises(NetworkFileError, match=r"is a network's weights .*, not a mean picture"):
        read_binary(folder / "old_formats" / "lenet_iter_10000.caffemodel", "BlobProto")


def test_too_many_fields(monkeypatch):
    monkeypatch.setattr("convscope.formats.protobuf.records.MAXIMUM_RECORDS", 1000)
    assert len(read_binary(b"\xa2\x06\x00" * 1000).layer) == 1000
    with pytest.raises(NetworkFileError, match="byte 3000: more than 1,000 fields; no network has so many"):
        read_binary(b"\xa2\x06\x00" * 1001)
    with pytest.raises(NetworkFileError, match="more than 1,000 fields"):
        read_binary(b"\x0a\xd0\x0f" + b"\x01" * 2000, "BlobShape")
    with pytest.raises(NetworkFileError, match="more than 1,000 fields"):
        read_binary(b"\x2a\xc0\x3e" + bytes(8000), "LayerParameter")


def test_a_file_over_the_limit_of_protobuf_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("convscope.formats.caffe.wire.MAXIMUM_BYTES", 100)
    with pytest.raises(NetworkFileError, match=r"holds at most 2 GB\. Save it as HDF5"):
        write_binary_file(Message("BlobProto", data=np.zeros(100)), tmp_path / "x.caffemodel")
    assert list(tmp_path.iterdir()) == []


def test_writing_where_nothing_can_be_written(tmp_path):
    with pytest.raises(NetworkFileError, match=r"cannot write .*: No such file or directory"):
        write_binary_file(Message("NetParameter", name="a"), tmp_path / "nowhere" / "x.caffemodel")
