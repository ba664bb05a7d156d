import cv2
import h5py
import numpy as np
import pytest
import torch

from convscope import open_network
from convscope.errors import InputError, NetworkFileError
from convscope.formats.caffe.saving import save_weights
from convscope.formats.caffe.text import read_text, read_text_file
from convscope.formats.caffe.upgrade import upgrade
from convscope.formats.caffe.weights import read_weights
from protobuf_oracle import parse_binary

SMALL = """
name: 'small'
layer { name: 'data' type: 'Input' }
layer { name: 'conv/1' type: 'Convolution' blobs { data: 7 } }
"""


@pytest.fixture
def squeezenet(shared_data):
    folder = shared_data / "caffe" / "squeezenet_v1.1"
    weights = read_weights(folder / "squeezenet_v1.1.caffemodel")
    net = upgrade(read_text_file(folder / "deploy.prototxt"))
    return folder, net, {name: [blob.array() for blob in blobs] for name, blobs in weights.items()}


@pytest.mark.parametrize("ending", [".caffemodel", ".caffemodel.h5"])
def test_a_real_network_comes_back_identical(squeezenet, tmp_path, ending):
    _, net, parameters = squeezenet
    path = tmp_path / f"saved{ending}"
    save_weights(net, parameters, path)
    weights = read_weights(path)
    assert sorted(weights) == sorted(parameters)
    for name, blobs in weights.items():
        assert [blob.array().tobytes() for blob in blobs] == [array.tobytes() for array in parameters[name]]
        assert [blob.shape for blob in blobs] == [array.shape for array in parameters[name]]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_opencv_reads_what_we_save(squeezenet, tmp_path):
    folder, net, parameters = squeezenet
    changed = {name: [2 * array for array in arrays] for name, arrays in parameters.items()}
    picture = np.random.default_rng(0).normal(size=(1, 3, 227, 227)).astype(np.float32)
    outputs = []
    for name, values in (("same", parameters), ("changed", changed)):
        save_weights(net, values, tmp_path / f"{name}.caffemodel")
        outputs.append(forward(folder / "deploy.prototxt", tmp_path / f"{name}.caffemodel", picture))
    original = forward(folder / "deploy.prototxt", folder / "squeezenet_v1.1.caffemodel", picture)
    assert np.array_equal(outputs[0], original)
    assert not np.allclose(outputs[1], original)


def forward(description, weights, picture):
    network = cv2.dnn.readNetFromCaffe(str(description), str(weights))
    network.setInput(picture)
    return network.forward()


def test_protobuf_reads_what_we_save(tmp_path):
    path = tmp_path / "x.caffemodel"
    kernel, bias = torch.arange(12.0).reshape(2, 1, 2, 3), np.float64([0.5, 1.5])
    save_weights(read_text(SMALL), {"conv/1": [kernel, bias]}, path)
    theirs = parse_binary(path.read_bytes())
    assert (theirs.name, theirs.layer[1].type) == ("small", "Convolution")
    assert [list(blob.shape.dim) for blob in theirs.layer[1].blobs] == [[2, 1, 2, 3], [2]]
    assert list(theirs.layer[1].blobs[0].data) == list(range(12))
    assert not theirs.layer[1].blobs[0].HasField("num")
    assert not theirs.layer[0].blobs


def test_hdf5_is_laid_out_as_caffe_does(tmp_path):
    path = tmp_path / "x.caffemodel.h5"
    save_weights(read_text(SMALL), {"conv/1": [np.ones((2, 3)), np.float32(5)]}, path)
    with h5py.File(path) as opened:
        assert opened["data/conv/1/0"].shape == (2, 3)
        assert opened["data/conv/1/1"].shape == ()
        assert opened["data/conv/1/0"].dtype == np.float32


def test_the_net_is_not_changed(tmp_path):
    net = read_text(SMALL)
    save_weights(net, {"conv/1": [np.ones(3)]}, tmp_path / "x.caffemodel")
    assert net == read_text(SMALL)


def test_saving_over_the_file_the_weights_come_from(tmp_path):
    path = tmp_path / "x.caffemodel"
    save_weights(read_text(SMALL), {"conv/1": [np.ones(1000)]}, path)
    array = read_weights(path)["conv/1"][0].array()
    save_weights(read_text(SMALL), {"conv/1": [array + 1]}, path)
    assert (array == 1).all()
    assert (read_weights(path)["conv/1"][0].array() == 2).all()


def test_a_layer_the_net_does_not_have(tmp_path):
    with pytest.raises(
        NetworkFileError,
        match=r"^the net has no layer 'conv1' to save the weights of\. Did you mean 'conv/1'",
    ):
        save_weights(read_text(SMALL), {"conv1": [np.ones(3)]}, tmp_path / "x.caffemodel")


@pytest.mark.parametrize("ending", [".caffemodel", ".caffemodel.h5"])
def test_where_nothing_can_be_written(tmp_path, ending):
    path = tmp_path / "nowhere" / f"x{ending}"
    with pytest.raises(NetworkFileError) as error:
        save_weights(read_text(SMALL), {"conv/1": [np.ones(3)]}, path)
    assert str(error.value).startswith(f"cannot write {path}: ")


@pytest.mark.parametrize("name", ["", ".", "a//b", "a/./b", "/a"])
def test_names_hdf5_cannot_hold(tmp_path, name):
    net = read_text(f"layer {{ name: '{name}' }}")
    with pytest.raises(NetworkFileError, match="HDF5 cannot hold a layer named"):
        save_weights(net, {name: [np.ones(3)]}, tmp_path / "x.h5")
    assert list(tmp_path.iterdir()) == []
    save_weights(net, {name: [np.ones(3)]}, tmp_path / "x.caffemodel")
    assert list(read_weights(tmp_path / "x.caffemodel")) == [name]


class TestFromElsewhere:
    """Networks that never were Caffe's, in Caffe's files: the same numbers, or a line that names the layer."""

    def test_the_builtin_network_is_the_same_there(self, tmp_path):
        network = open_network("builtin")
        network.save(tmp_path / "builtin.caffemodel")
        network.save(tmp_path / "builtin.prototxt")
        again = open_network(tmp_path / "builtin.prototxt")
        x = torch.randn(2, 3, 75, 93)
        for address, values in network.activations(x, ["conv1", "pool1", "mixed4a", "prob"]).items():
            torch.testing.assert_close(again.activations(x, address)[address], values, rtol=0, atol=0)

    @pytest.mark.parametrize(
        "module, reason",
        [
            (torch.nn.GELU(), "Caffe has no gelu"),
            (torch.nn.AvgPool2d(3, 2, 1, count_include_pad=False), "Caffe has no average_pool with .*"),
            (torch.nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), "Caffe has no "),
        ],
    )
    def test_what_caffe_cannot_say_is_refused_by_name(self, tmp_path, module, reason):
        network = open_network(torch.nn.Sequential(module), input_shape=(1, 3, 9, 12))
        with pytest.raises(InputError, match=rf"layer '.*' cannot be saved as Caffe's \({reason}"):
            network.save(tmp_path / "x.caffemodel")
        assert not list(tmp_path.iterdir())

    def test_a_module_with_odd_windows(self, tmp_path):
        torch.manual_seed(3)
        module = torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, (3, 5), stride=(2, 1), padding=(1, 3), groups=3, bias=False),
            torch.nn.LeakyReLU(0.3),
            torch.nn.MaxPool2d((3, 2), (2, 1), (1, 0)),
            torch.nn.Conv2d(6, 4, 3, dilation=2),
            torch.nn.Tanh(),
            torch.nn.AvgPool2d(3, 2, 1, ceil_mode=False),
            torch.nn.Flatten(),
            torch.nn.Linear(4 * 2 * 8, 7),
            torch.nn.Softmax(1),
        ).eval()
        network = open_network(module, input_shape=(1, 3, 31, 19))
        network.save(tmp_path / "x.caffemodel")
        again = open_network(tmp_path / "x.caffemodel")
        x = torch.randn(3, 3, 31, 19)
        with torch.no_grad():
            torch.testing.assert_close(again.activations(x, "8")["8"], module(x))
