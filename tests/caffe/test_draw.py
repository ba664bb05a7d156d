"""Nets as Graphviz's text, and its program where there is one."""

import shutil

import pytest

from convscope import caffe
from convscope.caffe.proto import caffe_pb2, text_format
from convscope.errors import InputError, MissingPackage

TEXT = r"""name: "N\"et"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv|1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 0.5 }
  convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: AVE kernel_h: 2 kernel_w: 1 } }
layer { name: "drop" type: "Dropout" bottom: "pool1" top: "drop" include { phase: TRAIN } }
layer { name: "ip" type: "InnerProduct" bottom: "pool1" top: "ip" inner_product_param { num_output: 5 } }
"""


@pytest.fixture
def net():
    return text_format.Merge(TEXT, caffe_pb2.NetParameter())


def test_the_text(net):
    dot = caffe.draw.draw_net(net, "LR", "dot").decode()
    assert dot.startswith('digraph "N\\"et" {\n  rankdir=LR;')
    label = r"conv\|1\n(Convolution)\nkernel size: 3\nstride: 2\npad: 1"
    assert f'"conv\\|1_Convolution" [label="{label}", shape="record", fillcolor="#FF5050"' in dot
    assert 'label="pool1\\n(Pooling AVE)\\nkernel size: 2x1\\nstride: 1\\npad: 0"' in dot
    assert '"relu1_ReLU" [label="relu1\\n(ReLU)", shape="record", fillcolor="#90EE90"' in dot
    assert '"conv\\|1_Convolution" -> "conv1_blob" [label="8"];' in dot
    assert '"pool1_blob" -> "ip_InnerProduct";' in dot
    assert "drop_Dropout" in dot
    assert dot.count("{") == dot.count("}") == 1


def test_phase_direction_and_learning_rates(net):
    dot = caffe.draw.draw_net(net, "TB", "raw", phase=caffe.TEST, display_lrm=True).decode()
    assert "drop_Dropout" not in dot
    assert "conv\\|1 (Convolution) kernel size: 3 stride: 2 pad: 1 lr mult: 0.5, 1.0" in dot
    with pytest.raises(InputError, match=r"LR, RL, TB or BT"):
        caffe.draw.draw_net(net, "XY", "dot")


def test_a_net_and_the_oldest_text_can_be_drawn_too(net, tmp_path, shared_data):
    (tmp_path / "n.prototxt").write_text(TEXT)
    caffe.draw.draw_net_to_file(caffe.Net(str(tmp_path / "n.prototxt"), caffe.TEST), tmp_path / "n.dot")
    assert "ip_InnerProduct" in (tmp_path / "n.dot").read_text()
    old = (shared_data / "caffe/old_formats/imagenet_deploy_v0.prototxt").read_text()
    message = text_format.Merge(old, caffe_pb2.NetParameter())
    assert '"conv1_Convolution"' in caffe.draw.draw_net(message, "BT", "gv").decode()


def test_without_graphviz_the_message_says_what_to_install(net, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingPackage, match=r"apt install graphviz"):
        caffe.draw.draw_net_to_file(net, str(tmp_path / "net.png"))
    assert not (tmp_path / "net.png").exists()


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz's program dot")
def test_graphviz_draws_it(net, tmp_path):
    caffe.draw.draw_net_to_file(net, str(tmp_path / "net.svg"))
    assert b"<svg" in (tmp_path / "net.svg").read_bytes()
    with pytest.raises(InputError, match=r"cannot draw"):
        caffe.draw.draw_net(net, "LR", "nonsense")
