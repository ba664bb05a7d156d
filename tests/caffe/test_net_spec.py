"""The facts of pycaffe's own test_net_spec.py."""

import pytest

from convscope import caffe
from convscope.caffe import layers as L  # noqa: N812
from convscope.caffe import params as P  # noqa: N812
from convscope.errors import InputError

BATCH = 50


def lenet(n):
    n.data, n.label = L.DummyData(
        shape=[{"dim": [BATCH, 1, 28, 28]}, {"dim": [BATCH, 1, 1, 1]}],
        transform_param={"scale": 1.0 / 255},
        ntop=2,
    )
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler={"type": "xavier"})
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=5, num_output=50, weight_filler={"type": "xavier"})
    n.pool2 = L.Pooling(n.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool2, num_output=500, weight_filler={"type": "xavier"})
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=10, weight_filler={"type": "xavier"})
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return n


class Anything:
    """Somewhere to keep outputs that are given no names."""


def opened(tmp_path, proto):
    path = tmp_path / "net.prototxt"
    path.write_text(str(proto))
    return caffe.Net(str(path), caffe.TEST)


@pytest.mark.parametrize("named", [True, False])
def test_lenet(tmp_path, named):
    made = lenet(caffe.NetSpec() if named else Anything())
    proto = made.to_proto() if named else made.loss.to_proto()
    relu = proto.layer[6]
    assert (relu.type, list(relu.bottom)) == ("ReLU", list(relu.top))
    names = [layer.name for layer in proto.layer]
    if named:
        assert names == ["data", "conv1", "pool1", "conv2", "pool2", "ip1", "relu1", "ip2", "loss"]
    else:
        assert names[:3] == ["DummyData1", "Convolution1", "Pooling1"]
    net = opened(tmp_path, proto)
    assert len(net.layers) == 9
    assert next(iter(net.forward().values())).shape == ()
    assert proto.layer[0].transform_param.scale == pytest.approx(1 / 255)


def test_layers_without_tops(tmp_path):
    n = caffe.NetSpec()
    n.data, n.data2 = L.DummyData(shape={"dim": 3}, ntop=2)
    n.silence_data = L.Silence(n.data, ntop=0)
    n.silence_data2 = L.Silence(n.data2, ntop=0)
    net = opened(tmp_path, n.to_proto())
    assert net.forward() == {}
    assert net._layer_names == ["data", "silence_data", "silence_data2"]


def test_only_tops_are_inputs():
    data = L.DummyData(ntop=2)
    with pytest.raises(TypeError, match=r"^Silence input 0 is not a Top \(type is <class 'tuple'>\)$"):
        L.Silence(data, ntop=0)
    L.Silence(*data, ntop=0)


def test_the_text_of_a_net():
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, 8, 8]})
    n["conv"] = L.Convolution(
        n.data, num_output=4, kernel_size=[3, 1], param=[{"lr_mult": 1}, {"lr_mult": 2}], bias_term=False
    )
    n.sum = L.Eltwise(n.conv, n.conv, operation=P.Eltwise.SUM, coeff=[1, -1])
    n.update("conv", {"pad": 1})
    text = str(n.to_proto())
    assert text == (
        'layer {\n  name: "data"\n  type: "Input"\n  top: "data"\n  input_param {\n    shape {\n'
        "      dim: 1\n      dim: 3\n      dim: 8\n      dim: 8\n    }\n  }\n}\n"
        'layer {\n  name: "conv"\n  type: "Convolution"\n  bottom: "data"\n  top: "conv"\n'
        "  param {\n    lr_mult: 1.0\n  }\n  param {\n    lr_mult: 2.0\n  }\n"
        "  convolution_param {\n    num_output: 4\n    bias_term: false\n    pad: 1\n"
        "    kernel_size: 3\n    kernel_size: 1\n  }\n}\n"
        'layer {\n  name: "sum"\n  type: "Eltwise"\n  bottom: "conv"\n  bottom: "conv"\n  top: "sum"\n'
        "  eltwise_param {\n    operation: SUM\n    coeff: 1.0\n    coeff: -1.0\n  }\n}\n"
    )
    assert n.keys() == ["data", "conv", "sum"]
    assert n.vals()[1] is n.conv


def test_mistakes_name_the_layer():
    with pytest.raises(InputError, match=r"Convolution layer 'Convolution1': .*'kernel_siz'.*'kernel_size'"):
        L.Convolution(L.Input(), kernel_siz=3, num_output=1).to_proto()
    with pytest.raises(AttributeError, match=r"no 'dta'. Did you mean 'data'"):
        n = caffe.NetSpec()
        n.data = L.Input()
        _ = n.dta
    with pytest.raises(AttributeError, match=r"Poling"):
        _ = P.Poling.MAX


def test_a_thousand_layers_do_not_overflow():
    top = L.Input(shape={"dim": 1})
    for _ in range(3000):
        top = L.ReLU(top)
    assert len(top.to_proto().layer) == 3001
