"""Messages with protobuf's manners."""

import copy
import logging

import numpy as np
import pytest

from convscope import caffe
from convscope.caffe.proto import caffe_pb2, text_format
from convscope.errors import NetworkFileError
from protobuf_oracle import message_class


def test_fields_are_set_added_and_extended():
    net = caffe_pb2.NetParameter(name="tiny")
    layer = net.layer.add(name="conv1", type="Convolution", bottom=["data"])
    layer.top.append("conv1")
    layer.convolution_param.num_output = 8
    layer.convolution_param.kernel_size.extend([3, 5])
    layer.convolution_param.kernel_size[1] = 1
    assert str(net) == (
        'name: "tiny"\nlayer {\n  name: "conv1"\n  type: "Convolution"\n  bottom: "data"\n  top: "conv1"\n'
        "  convolution_param {\n    num_output: 8\n    kernel_size: 3\n    kernel_size: 1\n  }\n}\n"
    )
    assert net.layer[0].convolution_param.kernel_size == [3, 1]
    del net.layer[0].bottom[0]
    net.layer[0].top.insert(0, "first")
    assert (list(net.layer[0].bottom), list(net.layer[0].top)) == ([], ["first", "conv1"])


def test_reading_changes_nothing():
    layer = caffe_pb2.LayerParameter()
    assert layer.pooling_param.kernel_size == 0
    assert (layer.name, layer.pooling_param.global_pooling, len(layer.top)) == ("", False, 0)
    assert layer.pooling_param.pool == caffe_pb2.PoolingParameter.MAX == 0
    assert not layer.HasField("pooling_param")
    assert str(layer) == ""
    layer.pooling_param.pool = caffe_pb2.PoolingParameter.AVE
    assert layer.HasField("pooling_param")
    assert str(layer) == "pooling_param {\n  pool: AVE\n}\n"
    layer.ClearField("pooling_param")
    assert str(layer) == ""


def test_bytes_there_and_back():
    blob = caffe_pb2.BlobProto()
    blob.data.extend([1.5, -2.0])
    blob.shape.dim.append(2)
    other = caffe_pb2.BlobProto()
    other.ParseFromString(blob.SerializeToString())
    assert other == blob
    np.testing.assert_array_equal(np.array(other.data), [1.5, -2])
    other.data.append(3)
    assert len(other.data) == 3
    with pytest.raises(NetworkFileError):
        other.ParseFromString(b"\xff\xff\xff")


def test_merging_and_copying():
    one, two = caffe_pb2.NetParameter(name="a"), caffe_pb2.NetParameter(name="b")
    one.layer.add(name="x")
    two.layer.add(name="y")
    one.MergeFrom(two)
    assert (one.name, [layer.name for layer in one.layer]) == ("b", ["x", "y"])
    one.CopyFrom(two)
    assert one == two
    one.layer[0].name = "z"
    assert two.layer[0].name == "y"


def test_messages_inside_are_merged_as_googles_are():
    ours, theirs = caffe_pb2.LayerParameter(), message_class("LayerParameter")()
    other, their_other = caffe_pb2.LayerParameter(), message_class("LayerParameter")()
    for one in (ours, theirs):
        one.transform_param.scale, one.transform_param.crop_size = 0.5, 7
        one.transform_param.mean_value.extend([1, 2])
        one.bottom.append("a")
    for one in (other, their_other):
        one.transform_param.scale = 0.25
        one.transform_param.mean_value.append(3)
        one.bottom.append("b")
    data = other.SerializeToString()
    assert data == their_other.SerializeToString() and other.ByteSize() == their_other.ByteSize()
    for merge in ("MergeFrom", "MergeFromString"):
        getattr(ours, merge)(other if merge == "MergeFrom" else data)
        getattr(theirs, merge)(their_other if merge == "MergeFrom" else data)
        assert ours.SerializeToString() == theirs.SerializeToString()
    assert other.transform_param.scale == 0.25
    assert [field.name for field, _ in ours.ListFields()] == [field.name for field, _ in theirs.ListFields()]
    assert caffe_pb2.LayerParameter.FromString(data) == other and other.IsInitialized()
    ours.Clear()
    assert ours == caffe_pb2.LayerParameter() and ours.ListFields() == []


def test_text_as_deep_dreams_notebook_changes_it():
    net = text_format.Merge(
        'name: "n" layer { name: "data" type: "Input" }', caffe.io.caffe_pb2.NetParameter()
    )
    net.force_backward = True
    text = text_format.MessageToString(net)
    assert "force_backward: true" in text
    assert text_format.Parse(text, caffe_pb2.NetParameter()) == net


def test_enumerations_are_asked_as_googles_are():
    for message, name in (
        ("PoolingParameter", "PoolMethod"),
        ("V1LayerParameter", "LayerType"),
        ("SolverParameter", "SolverMode"),
    ):
        ours = getattr(getattr(caffe_pb2, message), name)
        google = message_class(message).DESCRIPTOR.enum_types_by_name[name]
        expected = {value.name: value.number for value in google.values}
        assert dict(ours.items()) == expected
        assert [ours.Name(number) for number in ours.values()] == [
            google.values_by_number[number].name for number in ours.values()
        ]
        assert list(map(ours.Value, ours.keys())) == ours.values()
    with pytest.raises(ValueError, match="PoolMethod has no value 'MIN': MAX, AVE"):
        caffe_pb2.PoolingParameter.PoolMethod.Value("MIN")
    with pytest.raises(ValueError, match="Phase has no value 2: 0, 1"):
        caffe_pb2.Phase.Name(2)
    assert not hasattr(caffe_pb2.NetState, "Phase")


def test_copies_are_messages_as_the_first_one():
    net = caffe_pb2.NetParameter(name="a")
    net.layer.add(name="late", type="ReLU").top.append("x")
    net.layer.add(name="early")
    for other in (copy.deepcopy(net), copy.copy(net)):
        other.layer[0].top[0] = "y"
        assert net.layer[0].top == ["x"]
        merged = caffe_pb2.NetParameter()
        merged.MergeFrom(other)
        merged.layer.MergeFrom(net.layer)
        assert [layer.name for layer in merged.layer] == ["late", "early"] * 2
        merged.layer.sort(key=lambda layer: layer.name)
        merged.layer[0:1] = [net.layer[0]]
        assert [layer.name for layer in merged.layer] == ["late", "early", "late", "late"]


def test_mistakes():
    with pytest.raises(AttributeError, match=r"no field 'nam'"):
        _ = caffe_pb2.NetParameter().nam
    with pytest.raises(AttributeError, match=r"use extend, add or CopyFrom"):
        caffe_pb2.NetParameter().layer = []
    with pytest.raises(AttributeError, match=r"NetParamete.*Did you mean 'NetParameter'"):
        _ = caffe_pb2.NetParamete
    assert (caffe_pb2.TEST, caffe_pb2.Phase.Value("TRAIN"), caffe_pb2.Phase.Name(1)) == (1, 0, "TEST")


def test_googles_text_format_is_told_the_line_to_change():
    google = pytest.importorskip("google.protobuf.text_format")
    with pytest.raises(AttributeError, match=r"write `from convscope.caffe.proto import text_format`"):
        google.Merge('name: "tiny"', caffe_pb2.NetParameter())


def test_what_is_asked_before_training_and_the_list_of_types():
    assert caffe.has_nccl() is False
    assert (caffe.solver_count(), caffe.solver_rank()) == (1, 0)
    with pytest.raises(AttributeError, match=r"caffe.NCCL trains"):
        _ = caffe.NCCL
    types = caffe.layer_type_list()
    assert {"Convolution", "Python", "ROIPooling"} <= set(types)
    assert all(name.isalnum() for name in types)


def test_the_log_and_the_stopwatch(capsys, monkeypatch):
    logger = logging.getLogger("caffe")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.WARNING)
    caffe.init_log(0, True)
    caffe.log("Using devices [0]")
    caffe.init_log(2)
    caffe.log("not told")
    assert "Using devices [0]" in (said := capsys.readouterr().err) and "not told" not in said
    timer = caffe.Timer()
    timer.start()
    timer.stop()
    assert 0 <= timer.ms < 60_000
