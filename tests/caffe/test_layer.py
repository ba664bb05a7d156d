"""Layers: those written in Python (the facts of pycaffe's test_python_layer.py), dummy data, what a net may hold."""

import numpy as np
import pytest

from convscope import caffe
from convscope.errors import InputError, NetworkFileError, UnsupportedLayer
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.wire import write_binary_file


class SimpleLayer(caffe.Layer):
    """Multiplies by ten."""

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = 10 * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 10 * top[0].diff


class ParameterLayer(caffe.Layer):
    """Adds a learned number, which begins as what its text says."""

    def setup(self, bottom, top):
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = float(self.param_str)

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data + self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[0] += top[0].diff.sum()
        bottom[0].diff[...] = top[0].diff


class CountingLayer(caffe.Layer):
    """Data: the whole numbers in order."""

    def setup(self, bottom, top):
        self.next = 0
        top[0].reshape(10)

    def forward(self, bottom, top):
        top[0].data[...] = range(self.next, self.next + 10)
        self.next += 10


class PhaseLayer(caffe.Layer):
    """Says which phase it is in."""

    def reshape(self, bottom, top):
        top[0].reshape()

    def forward(self, bottom, top):
        top[0].data[()] = self.phase


def opened(folder, text, phase=caffe.TEST):
    path = folder / "net.prototxt"
    path.write_text(text)
    return caffe.Net(str(path), phase)


def python(name, layer, bottom="", extra=""):
    return f"""layer {{ type: 'Python' name: '{name}' {bottom} top: '{name}'
      python_param {{ module: 'test_layer' layer: '{layer}' {extra} }} }}"""


@pytest.fixture
def ten(tmp_path):
    layers = [
        python(name, "SimpleLayer", f"bottom: '{of}'") for name, of in (("one", "data"), ("two", "one"))
    ]
    return opened(tmp_path, "input: 'data' input_shape { dim: 10 dim: 9 dim: 8 } " + "".join(layers))


class TestPythonLayers:
    def test_forward_and_backward(self, ten):
        ten.blobs["data"].data[...] = 8
        assert (ten.forward()["two"] == 800).all()
        ten.blobs["two"].diff[...] = 7
        assert (ten.backward()["data"] == 700).all()

    def test_reshape(self, ten):
        ten.blobs["data"].reshape(4, 4, 4, 4)
        ten.forward()
        assert {blob.data.shape for blob in ten.blobs.values()} == {(4, 4, 4, 4)}

    def test_parameters(self, tmp_path):
        text = "input: 'data' input_shape { dim: 2 }" + python(
            "p", "ParameterLayer", "bottom: 'data'", "param_str: '3'"
        )
        net = opened(tmp_path, text)
        assert list(net.params) == ["p"]
        assert (net.forward(data=np.ones(2))["p"] == 4).all()
        net.backward(p=np.array([1.0, 2.0]))
        assert net.params["p"][0].diff[0] == 3
        net.params["p"][0].data[0] = 9
        net.save(str(tmp_path / "saved"))
        again = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST, weights=str(tmp_path / "saved"))
        assert again.params["p"][0].data[0] == 9

    def test_data(self, tmp_path):
        net = opened(tmp_path, python("count", "CountingLayer"))
        for start in (0, 10, 20):
            np.testing.assert_array_equal(net.forward()["count"], range(start, start + 10))

    @pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
    def test_phase(self, tmp_path, phase):
        assert opened(tmp_path, python("phase", "PhaseLayer"), phase).forward()["phase"] == phase

    def test_no_module_is_imported_because_a_file_names_it(self, tmp_path, monkeypatch):
        (tmp_path / "malicious.py").write_text("raise SystemExit('imported')")
        monkeypatch.syspath_prepend(tmp_path)
        text = python("one", "SimpleLayer").replace("test_layer", "malicious")
        with pytest.raises(UnsupportedLayer, match=r"malicious.SimpleLayer"):
            opened(tmp_path, text)


class TestDummyData:
    def test_random_numbers_are_new_each_time_and_constants_stay(self, tmp_path):
        net = opened(
            tmp_path,
            """layer { name: "d" type: "DummyData" top: "noise" top: "label" dummy_data_param {
              shape { dim: 1000 } shape { dim: 3 }
              data_filler { type: "gaussian" mean: 5 std: 2 } data_filler { value: 4 } } }""",
        )
        assert (net.blobs["label"].data == 4).all()
        net.blobs["label"].data[...] = 1
        net.forward()
        first = net.blobs["noise"].data.copy()
        net.forward()
        assert not np.array_equal(first, net.blobs["noise"].data)
        assert (net.blobs["label"].data == 1).all()
        assert (first.mean(), first.std()) == pytest.approx((5, 2), abs=0.3)

    def test_the_seed_repeats_them(self, tmp_path):
        text = """layer { name: "d" type: "DummyData" top: "noise"
          dummy_data_param { shape { dim: 5 } data_filler { type: "uniform" } } }"""
        found = []
        for _ in range(2):
            caffe.set_random_seed(7)
            found.append(opened(tmp_path, text).forward()["noise"].copy())
        np.testing.assert_array_equal(*found)


class TestWhatANetMayHold:
    def test_the_list_of_types(self):
        known = caffe.layer_type_list()
        assert {"Data", "Convolution", "InnerProduct", "SoftmaxWithLoss", "Python", "LSTM"} <= set(known)

    def test_an_unknown_type_says_how_to_register_one(self, tmp_path):
        text = 'input: "data" input_shape { dim: 1 } layer { name: "x" type: "Convolutio" bottom: "data" top: "x" }'
        with pytest.raises(
            UnsupportedLayer, match=r"'x' has the type 'Convolutio'.*'Convolution'.*register_layer"
        ):
            opened(tmp_path, text)

    def test_a_registered_type_runs_forward_and_backward(self, tmp_path):
        caffe.register_layer("TestCube", lambda x, factor: factor * x**3)
        text = """input: "data" input_shape { dim: 2 }
          layer { name: "x" type: "TestCube" bottom: "data" top: "x" cube_param { factor: 2 } }"""
        with pytest.warns(UserWarning, match=r"cube_param"):
            net = opened(tmp_path, text)
        assert net.forward(data=np.array([1.0, 2.0]))["x"].tolist() == [2, 16]
        assert net.backward(x=np.ones(2))["data"].tolist() == [6, 24]

    def test_a_registered_type_with_blobs_takes_their_shapes_from_the_weights(self, tmp_path):
        caffe.register_layer("TestShift", lambda x, shift: x + shift, roles=["shift"])
        message = Message("NetParameter")
        values = np.array([5.0, 7.0], np.float32)
        message.add("layer", name="x", type="TestShift").add("blobs", data=values).ensure("shape").dim = [2]
        write_binary_file(message, tmp_path / "weights")
        text = 'input: "data" input_shape { dim: 2 } layer { name: "x" type: "TestShift" bottom: "data" top: "x" }'
        with pytest.raises(
            InputError, match=r"'x' .TestShift. has 1 blobs whose shapes only the weights tell"
        ):
            opened(tmp_path, text)
        net = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST, weights=str(tmp_path / "weights"))
        assert net.forward(data=np.ones(2))["x"].tolist() == [6, 8]
        net.backward(x=np.array([1.0, 2.0]))
        assert net.params["x"][0].diff.tolist() == [1, 2]

    def test_a_layer_that_cannot_take_its_input_says_so(self, tmp_path):
        text = """input: "data" input_shape { dim: 2 } layer { name: "x" type: "BatchNorm" bottom: "data" top: "x" }"""
        with pytest.raises(InputError, match=r"'x': a BatchNorm cannot take 2"):
            opened(tmp_path, text)

    def test_a_second_top_of_a_pooling(self, tmp_path):
        text = """input: "data" input_shape { dim: 1 dim: 1 dim: 3 dim: 5 }
          layer { name: "p" type: "Pooling" bottom: "data" top: "pool" top: "mask" pooling_param { kernel_size: 2 } }"""
        net = opened(tmp_path, text)
        net.forward(data=np.array([[[[1.0, 2, 5, 2, 3], [9, 4, 1, 4, 8], [1, 2, 5, 2, 3]]]]))
        assert net.blobs["pool"].data.tolist() == [[[[9, 5, 5, 8], [9, 5, 5, 8]]]]
        assert net.blobs["mask"].data.tolist() == [[[[5, 2, 2, 9], [5, 12, 12, 9]]]]

    def test_data_of_unknown_size_asks_for_an_input(self, tmp_path):
        with pytest.raises(InputError, match=r"'d' .HDF5Data. does not say how big.*Input layer"):
            opened(
                tmp_path, 'layer { name: "d" type: "HDF5Data" top: "data" hdf5_data_param { batch_size: 1 } }'
            )

    def test_two_layers_may_not_make_one_blob(self, tmp_path):
        pooling = 'layer {{ name: "{}" type: "ReLU" bottom: "data" top: "x" }}'
        text = 'input: "data" input_shape { dim: 1 } ' + pooling.format("a") + pooling.format("b")
        with pytest.raises(NetworkFileError, match=r"'b' makes 'x'"):
            opened(tmp_path, text)

    def test_a_crop_sends_no_gradient_to_its_reference(self, tmp_path):
        text = """input: "data" input_shape { dim: 1 dim: 1 dim: 4 dim: 4 }
          input: "size" input_shape { dim: 1 dim: 1 dim: 2 dim: 2 }
          layer { name: "c" type: "Crop" bottom: "data" bottom: "size" top: "c" crop_param { offset: 1 } }"""
        net = opened(tmp_path, text)
        net.blobs["size"].diff[...] = 5
        net.forward()
        diffs = net.backward(c=np.ones((1, 1, 2, 2)))
        assert diffs["data"].sum() == 4
        assert not diffs["size"].any()
