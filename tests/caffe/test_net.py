"""The facts of pycaffe's own test_net.py, and what its users rely on."""

from collections import OrderedDict
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import torch

from convscope import caffe
from convscope.errors import ConvscopeWarning, InputError, NetworkFileError, UnknownLayer, WeightsMismatch
from convscope.formats.opening import open_network
from convscope.network.engine.execution import cut

OUTPUTS = 13

SMALL = """
name: "small"
layer { name: "numbers" type: "DummyData" top: "numbers" top: "label"
  dummy_data_param {
    shape { dim: 5 dim: 2 dim: 3 dim: 4 } shape { dim: 5 dim: 1 dim: 1 dim: 1 }
    data_filler { type: "gaussian" std: 1 } data_filler { type: "constant" } } }
layer { name: "conv" type: "Convolution" bottom: "numbers" top: "conv"
  param { decay_mult: 1 } param { decay_mult: 0 }
  convolution_param { num_output: 11 kernel_size: 2 pad: 3
    weight_filler { type: "gaussian" std: 1 } bias_filler { type: "constant" value: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip_blob"
  inner_product_param { num_output: 13
    weight_filler { type: "gaussian" std: 2.5 } bias_filler { type: "constant" value: -3 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip_blob" bottom: "label" top: "loss" }
"""

CHAIN = """
name: "chain" input: "data" input_dim: 2 input_dim: 3 input_dim: 6 input_dim: 6
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "half" type: "Power" bottom: "conv" top: "conv" power_param { power: 2 scale: 0.5 } }
layer { name: "a" type: "Pooling" bottom: "conv" top: "a" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "b" type: "Pooling" bottom: "conv" top: "b" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
"""


def written(folder, text, name="net.prototxt"):
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.fixture
def net(tmp_path):
    caffe.set_random_seed(0)
    made = caffe.Net(written(tmp_path, SMALL), caffe.TRAIN)
    made.blobs["label"].data[...] = np.random.default_rng(1).integers(OUTPUTS, size=(5, 1, 1, 1))
    return made


@pytest.fixture
def chain(tmp_path):
    caffe.set_random_seed(1)
    made = caffe.Net(written(tmp_path, CHAIN, "chain.prototxt"), caffe.TEST)
    made.blobs["data"].data[...] = np.random.default_rng(2).normal(size=(2, 3, 6, 6))
    return made


class TestPycaffesOwnFacts:
    def test_arrays_outlive_their_net(self, net):
        parameters = [blob for blobs in net.params.values() for blob in blobs]
        blobs = list(net.blobs.values())
        net.forward()
        expected = [blob.data.sum() for blob in [*parameters, *blobs]]
        del net
        assert [blob.data.sum() for blob in [*parameters, *blobs]] == expected

    def test_layer_dict(self, net):
        assert list(net.layer_dict) == net._layer_names == ["numbers", "conv", "ip", "loss"]
        assert [layer.type for layer in net.layers] == [
            "DummyData",
            "Convolution",
            "InnerProduct",
            "SoftmaxWithLoss",
        ]
        assert net.layer_dict["conv"] is net.layers[1]
        assert len(net.layers[1].blobs) == 2

    def test_forward_start_end(self, net):
        conv, answer = net.blobs["conv"], net.blobs["ip_blob"]
        conv.data[:] = np.random.default_rng(0).uniform(size=conv.data.shape).astype(np.float32)
        assert list(net.forward(start="ip", end="ip")) == ["ip_blob"]
        weight, bias = (blob.data for blob in net.params["ip"])
        np.testing.assert_allclose(answer.data, conv.data.reshape(5, -1) @ weight.T + bias, rtol=1e-3)

    def test_backward_start_end(self, net):
        conv, answer = net.blobs["conv"], net.blobs["ip_blob"]
        net.forward()
        answer.diff[:] = np.random.default_rng(0).uniform(size=answer.data.shape)
        diffs = net.backward(start="ip", end="ip")
        assert list(diffs) == ["conv"]
        expected = (answer.diff @ net.params["ip"][0].data).reshape(conv.data.shape)
        np.testing.assert_allclose(conv.diff, expected, rtol=1e-3, atol=1e-5)

    def test_clear_param_diffs(self, net):
        net.forward()
        net.backward()
        diff = net.params["conv"][0].diff
        assert diff.max() > 0
        once = diff.copy()
        net.backward()
        np.testing.assert_allclose(diff, 2 * once, rtol=1e-4)
        net.clear_param_diffs()
        assert (diff == 0).all()

    def test_inputs_and_outputs(self, net):
        assert net.inputs == []
        assert net.outputs == ["loss"]

    def test_top_and_bottom_names(self, net):
        assert net.top_names == OrderedDict(
            [("numbers", ["numbers", "label"]), ("conv", ["conv"]), ("ip", ["ip_blob"]), ("loss", ["loss"])]
        )
        assert net.bottom_names == OrderedDict(
            [("numbers", []), ("conv", ["numbers"]), ("ip", ["conv"]), ("loss", ["ip_blob", "label"])]
        )

    @pytest.mark.parametrize("how", ["caffemodel", "h5", "hdf5 under any name"])
    def test_save_and_read(self, net, tmp_path, how):
        text = written(tmp_path, SMALL)
        file = str(tmp_path / ("weights.h5" if how == "h5" else "weights"))
        net.save_hdf5(file) if "hdf5" in how else net.save(file)
        caffe.set_random_seed(99)
        fresh = caffe.Net(text, caffe.TRAIN)
        assert not np.array_equal(fresh.params["conv"][0].data, net.params["conv"][0].data)
        loaded = caffe.Net(text, caffe.TRAIN)
        loaded.load_hdf5(file)
        for other in (caffe.Net(text, file, caffe.TRAIN), caffe.Net(text, caffe.TRAIN, weights=file), loaded):
            for name, blobs in net.params.items():
                for mine, its in zip(blobs, other.params[name], strict=True):
                    np.testing.assert_array_equal(mine.data, its.data)

    def test_the_loss_of_a_batch(self, net):
        loss = net.forward()["loss"]
        assert loss.shape == ()
        scores = torch.from_numpy(net.blobs["ip_blob"].data)
        labels = torch.from_numpy(net.blobs["label"].data.reshape(-1)).long()
        assert float(loss) == pytest.approx(
            float(torch.nn.functional.cross_entropy(scores, labels)), rel=1e-6
        )
        assert net.blob_loss_weights == {"numbers": 0, "label": 0, "conv": 0, "ip_blob": 0, "loss": 1}
        assert net._forward(0, 3) == pytest.approx(float(net.blobs["loss"].data))


class TestLevelsAndStages:
    LAYER = """layer {{ name: "{0}" type: "InnerProduct" bottom: "data" top: "{0}" {1}
      inner_product_param {{ num_output: 1 }} }}"""
    DATA = (
        'layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 dim: 10 } } }'
    )

    def blobs(self, tmp_path, rules, **state):
        text = self.DATA + "".join(self.LAYER.format(name, rule) for name, rule in rules.items())
        net = caffe.Net(written(tmp_path, text), caffe.TEST, **state)
        return [name for name in net.blobs if "data" not in name]

    def test_levels(self, tmp_path):
        rules = {
            "none": "",
            "zero": "include { min_level: 0 max_level: 0 }",
            "one": "include { min_level: 1 max_level: 1 }",
            "from zero": "include { min_level: 0 }",
            "from one": "include { min_level: 1 }",
        }
        assert self.blobs(tmp_path, rules) == ["none", "zero", "from zero"]
        assert self.blobs(tmp_path, rules, level=1) == ["none", "one", "from zero", "from one"]

    def test_stages(self, tmp_path):
        rules = {
            "A": 'include { stage: "A" }',
            "B": 'include { stage: "B" }',
            "or": 'include { stage: "A" } include { stage: "B" }',
            "and": 'include { stage: "A" stage: "B" }',
        }
        assert self.blobs(tmp_path, rules, stages=["A"]) == ["A", "or"]
        assert self.blobs(tmp_path, rules, stages=["B"]) == ["B", "or"]
        assert self.blobs(tmp_path, rules, stages=["A", "B"]) == ["A", "B", "or", "and"]

    def test_one_text_for_training_and_deployment(self, tmp_path):
        text = written(
            tmp_path,
            """
            layer { name: "t" type: "DummyData" top: "data" top: "label" include { phase: TRAIN stage: "train" }
              dummy_data_param { shape { dim: 1 dim: 8 } shape { dim: 1 } } }
            layer { name: "v" type: "DummyData" top: "data" top: "label" include { phase: TEST stage: "val" }
              dummy_data_param { shape { dim: 1 dim: 8 } shape { dim: 1 } } }
            layer { name: "d" type: "Input" top: "data" include { phase: TEST stage: "deploy" }
              input_param { shape { dim: 1 dim: 8 } } }
            layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
            layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss"
              include { phase: TRAIN stage: "train" } include { phase: TEST stage: "val" } }
            layer { name: "pred" type: "Softmax" bottom: "ip" top: "pred" include { phase: TEST stage: "deploy" } }
            """,
        )
        assert caffe.Net(text, caffe.TRAIN, stages=["train"]).outputs == ["loss"]
        assert caffe.Net(text, caffe.TEST, stages=["val"]).outputs == ["loss"]
        deployed = caffe.Net(text, caffe.TEST, stages=["deploy"])
        assert (deployed.outputs, deployed.inputs) == (["pred"], ["data"])
        np.testing.assert_allclose(deployed.forward()["pred"], [[0.5, 0.5]])


class TestConstructors:
    def test_three_of_them(self, chain, tmp_path):
        text, file = str(tmp_path / "chain.prototxt"), str(tmp_path / "chain.caffemodel")
        chain.save(file)
        nets = [
            caffe.Net(text, caffe.TEST, weights=file),
            caffe.Net(text, file, caffe.TEST),
            caffe.Net(network_file=text, weights=Path(file), phase=caffe.TEST),
            caffe.Net(text, weights=file),
            caffe.Net(text, file),
        ]
        assert [net.params["conv"][1].shape for net in nets] == [*[(4,)] * 4, (1, 1, 1, 4)]
        nets[4].set_phase_test()
        nets[3].set_mode_cpu()
        for net in nets:
            np.testing.assert_array_equal(net.params["conv"][0].data, chain.params["conv"][0].data)

    def test_without_weights_and_fillers_everything_is_zero_as_in_caffe(self, tmp_path):
        text = CHAIN.replace('weight_filler { type: "gaussian" std: 0.5 }', "")
        net = caffe.Net(written(tmp_path, text), caffe.TEST)
        assert not net.params["conv"][0].data.any()

    def test_what_a_seed_fills_does_not_depend_on_who_looks_first(self, tmp_path):
        text = written(tmp_path, SMALL)
        found = {}
        for first, second in (("conv", "ip"), ("ip", "conv")):
            caffe.set_random_seed(5)
            net = caffe.Net(text, caffe.TRAIN)
            caffe.set_random_seed(6)
            for name in (first, second):
                found[first, name] = net.params[name][0].data
        for name in ("conv", "ip"):
            np.testing.assert_array_equal(found["conv", name], found["ip", name])
        later = caffe.Net(text, caffe.TRAIN).params["conv"][0].data
        assert not np.array_equal(later, found["conv", "conv"])
        with pytest.raises(InputError, match=r"from 0 on; found -1"):
            caffe.set_random_seed(-1)

    def test_what_is_filled_is_what_open_network_fills(self, tmp_path):
        text = written(tmp_path, CHAIN)
        caffe.set_random_seed(0)
        net = caffe.Net(text, caffe.TEST)
        with pytest.warns(ConvscopeWarning, match=r"random .seed 0."):
            graph = open_network(text).graph
        np.testing.assert_array_equal(net.params["conv"][0].data, graph.parameters["conv.weight"].numpy())

    def test_mistakes_are_told(self, chain, tmp_path):
        text = str(tmp_path / "chain.prototxt")
        with pytest.raises(NetworkFileError, match=r"nowhere.prototxt"):
            caffe.Net("nowhere.prototxt", caffe.TEST)
        with pytest.raises(NetworkFileError, match=r"nowhere.caffemodel"):
            caffe.Net(text, "nowhere.caffemodel", caffe.TEST)
        with pytest.raises(TypeError, match=r"Net\(prototxt, phase, weights=...\)"):
            caffe.Net(text, caffe.TEST, caffe.TEST)
        with pytest.raises(InputError, match=r"TRAIN"):
            caffe.Net(text, 7)
        with pytest.raises(NetworkFileError, match=r"does not|no layer before it makes"):
            caffe.Net(written(tmp_path, CHAIN.replace('bottom: "a"', 'bottom: "aa"')), caffe.TEST)
        with pytest.raises(NetworkFileError, match=r"two layers are called 'a'"):
            caffe.Net(written(tmp_path, CHAIN.replace('name: "b"', 'name: "a"')), caffe.TEST)
        with pytest.raises(NetworkFileError, match=r"no layers in the phase TRAIN"):
            only = 'layer { name: "d" type: "Input" top: "d" include { phase: TEST } }'
            caffe.Net(written(tmp_path, only), caffe.TRAIN)
        with pytest.raises(AttributeError, match=r"fine-tuning"):
            _ = caffe.SGDSolver

    def test_old_nets_train_with_a_warning(self, chain):
        with pytest.warns(ConvscopeWarning, match=r"as for testing"):
            chain.set_phase_train()

    def test_weights_of_another_shape_are_named(self, chain, tmp_path):
        file = str(tmp_path / "chain.caffemodel")
        chain.save(file)
        wider = written(tmp_path, CHAIN.replace("num_output: 4", "num_output: 5"), "wider.prototxt")
        with pytest.raises(
            WeightsMismatch, match=r"'conv', blob 0 is 4x3x3x3, but the network needs 5x3x3x3"
        ):
            caffe.Net(wider, file, caffe.TEST)

    def test_blobs_are_counted(self, chain, tmp_path):
        file = str(tmp_path / "chain.caffemodel")
        chain.save(file)
        text = written(tmp_path, CHAIN.replace("num_output: 4", "num_output: 4 bias_term: false"))
        with pytest.raises(WeightsMismatch, match=r"'conv' has 2 blobs, but the network needs 1"):
            caffe.Net(text, file, caffe.TEST)


class TestBlobs:
    def test_split_blobs_are_listed_as_pycaffe_does(self, chain):
        splits = ["conv_half_0_split_0", "conv_half_0_split_1"]
        assert list(chain.blobs) == ["data", "conv", *splits, "a", "b", "sum"]
        assert chain._layer_names == ["input", "conv", "relu", "half", "conv_half_0_split", "a", "b", "sum"]
        chain.forward()
        for name in splits:
            np.testing.assert_array_equal(chain.blobs[name].data, chain.blobs["conv"].data)

    def test_views_stay_live_through_passes(self, chain):
        view = chain.blobs["conv"].data[0, 0]
        chain.forward()
        before = view.copy()
        chain.params["conv"][1].data[0] += 10
        chain.forward()
        assert not np.array_equal(view, before)
        np.testing.assert_array_equal(view, chain.blobs["conv"].data[0, 0])

    def test_a_pass_that_ends_at_a_layer_leaves_that_layers_version(self, chain):
        raw = chain.forward(end="conv")["conv"].copy()
        assert raw.min() < 0
        np.testing.assert_array_equal(chain.forward(end="relu")["conv"], np.maximum(raw, 0))
        np.testing.assert_allclose(
            chain.forward(end="half")["conv"], (np.maximum(raw, 0) / 2) ** 2, rtol=1e-6
        )
        expected = torch.nn.functional.conv2d(
            torch.from_numpy(chain.blobs["data"].data),
            *(torch.from_numpy(b.data) for b in chain.params["conv"]),
        )
        np.testing.assert_allclose(raw, expected, rtol=1e-5, atol=1e-6)

    def test_a_pass_that_starts_at_a_layer_reads_what_was_written(self, chain):
        chain.forward()
        chain.blobs["a"].data[...] = 3
        chain.blobs["b"].data[...] = 4
        assert (chain.forward(start="sum")["sum"] == 7).all()
        chain.blobs["conv"].data[...] = 2
        assert (chain.forward(start="half")["sum"] == 2).all()

    def test_reshape_follows_the_input(self, chain):
        chain.blobs["data"].reshape(7, 3, 10, 12)
        assert chain.blobs["conv"].shape == (2, 4, 4, 4)
        chain.reshape()
        assert chain.blobs["conv"].shape == (7, 4, 8, 10)
        assert chain.blobs["sum"].data.shape == (7, 4, 4, 5)
        chain.blobs["data"].reshape(1, 3, 6, 8)
        assert chain.forward()["sum"].shape == (1, 4, 2, 3)

    def test_a_wrong_size_names_the_layer(self, chain):
        chain.blobs["data"].reshape(1, 5, 6, 6)
        with pytest.raises(InputError, match=r"layer 'conv'.*1x5x6x6"):
            chain.forward()


class TestForward:
    def test_arrays_by_name(self, chain):
        values = np.ones((2, 3, 6, 6))
        answer = chain.forward(blobs=["conv", "data"], data=values)
        assert set(answer) == {"sum", "conv", "data"}
        assert (answer["data"] == 1).all()
        assert answer["conv"] is not None
        assert answer["sum"].dtype == np.float32

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"image": np.zeros((2, 3, 6, 6))}, "input names do not match"),
            ({"data": np.zeros((3, 3, 6, 6))}, "not batch sized"),
            ({"data": np.zeros((2, 3, 5, 5))}, "reshape"),
        ],
    )
    def test_wrong_arrays_are_told(self, chain, arguments, message):
        with pytest.raises(Exception, match=message) as caught:
            chain.forward(**arguments)
        assert isinstance(caught.value, InputError)

    def test_unknown_names_are_told(self, chain):
        with pytest.raises(UnknownLayer, match=r"no layer 'convv'. Did you mean 'conv'"):
            chain.forward(end="convv")
        with pytest.raises(InputError, match=r"'sum' comes after 'conv'"):
            chain.forward(start="sum", end="conv")
        with pytest.raises(UnknownLayer, match=r"no blob 'summ'"):
            chain.forward(blobs=["summ"])

    def test_any_number_in_batches(self, chain):
        pictures = np.random.default_rng(0).normal(size=(5, 3, 6, 6)).astype(np.float32)
        answers = chain.forward_all(blobs=["conv"], data=pictures)
        assert answers["sum"].shape == (5, 4, 2, 2)
        assert answers["conv"].shape == (5, 4, 4, 4)
        chain.blobs["data"].reshape(5, 3, 6, 6)
        np.testing.assert_allclose(chain.forward(data=pictures)["sum"], answers["sum"], rtol=1e-5, atol=1e-6)

    def test_forward_and_backward_in_batches(self, chain):
        random = np.random.default_rng(0)
        pictures, tops = random.normal(size=(3, 3, 6, 6)), random.normal(size=(3, 4, 2, 2))
        answers, diffs = chain.forward_backward_all(data=pictures, sum=tops)
        chain.blobs["data"].reshape(3, 3, 6, 6)
        whole = chain.forward(data=pictures)["sum"]
        np.testing.assert_allclose(answers["sum"], whole, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(diffs["data"], chain.backward(sum=tops)["data"], rtol=1e-4, atol=1e-6)
        with pytest.raises(InputError, match=r"the same number"):
            chain.forward_all(data=pictures[:0])

    def test_callbacks_see_every_layer(self, chain):
        seen = []
        chain.before_forward(lambda index: seen.append(("before", index)))
        chain.after_forward(lambda index: seen.append(("after", index)))
        chain.before_backward(lambda index: seen.append(("back", index)))
        chain.after_backward(lambda index: seen.append(("done", index)))
        chain.forward(start="conv", end="relu")
        chain.backward(start="relu", end="conv")
        assert seen == [
            *[("before", 1), ("after", 1), ("before", 2), ("after", 2)],
            *[("back", 2), ("done", 2), ("back", 1), ("done", 1)],
        ]


class TestBackward:
    def test_diffs_of_in_place_layers_and_splits(self, chain):
        chain.forward()
        raw = torch.from_numpy(chain.forward(end="conv")["conv"].copy()).requires_grad_()
        chain.forward()
        top = np.random.default_rng(3).normal(size=(2, 4, 2, 2)).astype(np.float32)
        chain.backward(sum=top)
        squared = (torch.relu(raw) / 2) ** 2
        total = torch.max_pool2d(squared, 2) + torch.nn.functional.avg_pool2d(squared, 2)
        total.backward(torch.from_numpy(top))
        np.testing.assert_allclose(chain.blobs["conv"].diff, raw.grad, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("slope", [0, 0.25, -0.5])
    def test_a_rectifier_in_place(self, tmp_path, slope):
        text = f"""input: "data" input_shape {{ dim: 1 dim: 6 }}
          layer {{ name: "copy" type: "Power" bottom: "data" top: "x" }}
          layer {{ name: "relu" type: "ReLU" bottom: "x" top: "x" relu_param {{ negative_slope: {slope} }} }}"""
        net = caffe.Net(written(tmp_path, text), caffe.TEST)
        values = np.array([[-3.0, -2, -1, 1, 2, 3]])
        assert net.forward(data=values)["x"].tolist() == np.where(values > 0, values, slope * values).tolist()
        assert net.backward(x=np.ones((1, 6)))["data"].tolist() == [[slope] * 3 + [1] * 3]

    def test_chosen_diffs_and_wrong_ones(self, chain):
        chain.forward()
        assert set(chain.backward(diffs=["a"], sum=np.ones((2, 4, 2, 2)))) == {"data", "a"}
        with pytest.raises(InputError, match=r"output names do not match"):
            chain.backward(data=np.ones((2, 3, 6, 6)))
        with pytest.raises(InputError, match=r"not batch sized"):
            chain.backward(sum=np.ones((1, 4, 2, 2)))

    def test_deep_dreams_step(self, chain):
        """The objective of the 2015 notebook: a layer's own activations, in place layers after it untouched."""
        chain.forward(end="conv")
        target = chain.blobs["conv"]
        target.diff[:] = target.data
        gradient = chain.backward(start="conv")["data"]
        picture = torch.from_numpy(chain.blobs["data"].data.copy()).requires_grad_()
        weight, bias = (torch.from_numpy(blob.data) for blob in chain.params["conv"])
        (torch.nn.functional.conv2d(picture, weight, bias) ** 2).sum().div(2).backward()
        np.testing.assert_allclose(gradient, picture.grad, rtol=1e-4, atol=1e-5)


class TestSharing:
    SIAMESE = """
    input: "one" input_shape { dim: 1 dim: 4 } input: "two" input_shape { dim: 1 dim: 4 }
    layer { name: "left" type: "InnerProduct" bottom: "one" top: "left" param { name: "w" } param { name: "b" }
      inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
    layer { name: "right" type: "InnerProduct" bottom: "two" top: "right" param { name: "w" } param { name: "b" }
      inner_product_param { num_output: 3 } }
    layer { name: "apart" type: "Eltwise" bottom: "left" bottom: "right" top: "apart"
      eltwise_param { coeff: 1 coeff: -1 } }
    """

    def test_parameters_of_one_name_are_one(self, tmp_path):
        net = caffe.Net(written(tmp_path, self.SIAMESE), caffe.TEST)
        picture = np.arange(4.0)[None]
        assert not net.forward(one=picture, two=picture)["apart"].any()
        net.params["right"][0].data[0] = 7
        assert (net.params["left"][0].data[0] == 7).all()
        net.forward(one=picture, two=2 * picture)
        net.backward(apart=np.ones((1, 3)))
        np.testing.assert_allclose(net.params["left"][0].diff, np.repeat(picture - 2 * picture, 3, 0))

    def test_shapes_must_agree(self, tmp_path):
        text = self.SIAMESE.replace("{ num_output: 3 } }", "{ num_output: 4 } }")
        with pytest.raises(NetworkFileError, match=r"'right', blob 0.*'w'"):
            caffe.Net(written(tmp_path, text), caffe.TEST)

    @pytest.mark.parametrize("name", ["gone.h5", "gone.caffemodel"])
    def test_weights_are_read_at_once_and_the_file_may_go(self, tmp_path, name):
        text, file = written(tmp_path, self.SIAMESE), tmp_path / name
        net = caffe.Net(text, caffe.TEST)
        net.save(str(file))
        caffe.set_random_seed(99)
        fresh = caffe.Net(text, caffe.TEST)
        fresh.load_hdf5(str(file)) if name.endswith(".h5") else fresh.copy_from(str(file))
        file.unlink()
        np.testing.assert_array_equal(fresh.params["left"][0].data, net.params["left"][0].data)

    def test_hdf5_leaves_out_what_is_shared(self, tmp_path):
        text, file = written(tmp_path, self.SIAMESE), str(tmp_path / "shared.h5")
        net = caffe.Net(text, caffe.TEST)
        net.save(file)
        with h5py.File(file, "a") as opened:
            del opened["data/right/1"]
        net.params["left"][0].data[...] = 0
        net.copy_from(file)
        assert net.params["right"][0].data.any()
        apart = written(tmp_path, self.SIAMESE.replace('param { name: "b" }', "param { }"))
        with pytest.raises(WeightsMismatch, match=r"'right' has 1 blobs, but the network needs 2"):
            caffe.Net(apart, file, caffe.TEST)

    def test_nets_share_with_each_other(self, chain, tmp_path):
        other = caffe.Net(str(tmp_path / "chain.prototxt"), caffe.TEST)
        other.share_with(chain)
        chain.params["conv"][0].data[...] = 0.25
        assert (other.params["conv"][0].data == 0.25).all()

    def test_copying_writes_into_the_same_memory(self, chain, tmp_path):
        file = str(tmp_path / "chain.caffemodel")
        chain.save(file)
        view = chain.params["conv"][0].data
        saved = view.copy()
        view[...] = 0
        chain.copy_from(file)
        np.testing.assert_array_equal(view, saved)

    def test_a_renamed_layer_starts_anew(self, chain, tmp_path):
        file = str(tmp_path / "chain.caffemodel")
        chain.save(file)
        text = CHAIN.replace('name: "conv"', 'name: "conv_new"')
        net = caffe.Net(written(tmp_path, text), file, caffe.TEST)
        assert list(net.params) == ["conv_new"]
        assert not np.array_equal(net.params["conv_new"][0].data, chain.params["conv"][0].data)


class TestBatchNormalization:
    TEXT = """input: "data" input_shape { dim: 4 dim: 2 dim: 3 dim: 3 }
      layer { name: "n" type: "BatchNorm" bottom: "data" top: "n" }"""

    @pytest.mark.parametrize(
        ("phase", "use_global_stats", "of_batch"),
        [
            (caffe.TRAIN, None, True),
            (caffe.TEST, None, False),
            (caffe.TRAIN, "true", False),
            (caffe.TEST, "false", True),
        ],
    )
    def test_whose_statistics(self, tmp_path, phase, use_global_stats, of_batch):
        setting = f"batch_norm_param {{ use_global_stats: {use_global_stats} }}" if use_global_stats else ""
        net = caffe.Net(written(tmp_path, self.TEXT[:-1] + setting + "}"), phase)
        for blob, value in zip(net.params["n"], (6, 8, 2), strict=True):
            blob.data[...] = value
        values = np.random.default_rng(0).normal(5, 3, size=(4, 2, 3, 3))
        over = {"axis": (0, 2, 3), "keepdims": True}
        mean, variance = (values.mean(**over), values.var(**over)) if of_batch else (3, 4)
        expected = (values - mean) / np.sqrt(variance + 1e-5)
        np.testing.assert_allclose(net.forward(data=values)["n"], expected, rtol=1e-4, atol=1e-5)
        assert [blob.data.ravel()[0] for blob in net.params["n"]] == [6, 8, 2]

    def test_one_number_a_channel(self, tmp_path):
        net = caffe.Net(written(tmp_path, self.TEXT), caffe.TRAIN)
        net.blobs["data"].reshape(1, 2, 1, 1)
        assert not net.forward()["n"].any()


class TestMemoryData:
    def test_fed_in_batches(self, tmp_path):
        text = """layer { name: "d" type: "MemoryData" top: "data" top: "label"
          memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 } }
          layer { name: "twice" type: "Power" bottom: "data" top: "twice" power_param { scale: 2 } }"""
        net = caffe.Net(written(tmp_path, text), caffe.TEST)
        data, labels = np.arange(16, dtype=np.float32).reshape(4, 1, 2, 2), np.arange(4)
        net.set_input_arrays(data, labels)
        for start in (0, 2, 0):
            np.testing.assert_array_equal(net.forward()["twice"], 2 * data[start : start + 2])
            np.testing.assert_array_equal(net.blobs["label"].data.flatten(), labels[start : start + 2])
        with pytest.raises(InputError, match=r"multiple of 2"):
            net.set_input_arrays(data[:3], labels[:3])


REAL = {
    "lenet": ("old_formats/lenet.prototxt", "old_formats/lenet_iter_10000.caffemodel", (2, 1, 28, 28), 1),
    "squeezenet": (
        "squeezenet_v1.1/deploy.prototxt",
        "squeezenet_v1.1/squeezenet_v1.1.caffemodel",
        (1, 3, 227, 227),
        60,
    ),
}


@pytest.fixture(params=["lenet", pytest.param("squeezenet", marks=pytest.mark.slow)])
def real(request, shared_data):
    text, weights, shape, spread = REAL[request.param]
    text, weights = str(shared_data / "caffe" / text), str(shared_data / "caffe" / weights)
    net = caffe.Net(text, caffe.TEST, weights=weights)
    net.blobs["data"].reshape(*shape)
    net.blobs["data"].data[...] = np.random.default_rng(0).normal(size=shape) * spread
    return net, text, weights


class TestRealNetworks:
    def test_every_blob_agrees_with_opencv(self, real):
        net, text, weights = real
        net.forward()
        oracle = cv2.dnn.readNetFromCaffe(text, weights)
        oracle.enableFusion(False)  # fused layers give each other's values
        oracle.setInput(net.blobs["data"].data.copy())
        names = oracle.getLayerNames()
        last = {top: layer.name for layer in net._net.layer for top in layer.top if layer.type != "Split"}
        checked = 0
        for blob, layer in last.items():
            if layer not in names:
                continue
            mine, expected = net.blobs[blob].data, oracle.forward(layer)
            np.testing.assert_allclose(
                mine, expected.reshape(mine.shape), rtol=1e-4, atol=1e-5 * abs(expected).max()
            )
            checked += 1
        assert checked >= 6

    def test_gradients_agree_with_finite_differences_in_double_precision(self, real):
        net, text, weights = real
        random = np.random.default_rng(1)
        output = [layer.name for layer in net.layers if layer.blobs][-1]
        blob = net.top_names[output][0]
        net.forward(end=output)
        top = random.normal(size=net.blobs[blob].shape).astype(np.float32)
        net.blobs[blob].diff[...] = top
        gradient = net.backward(start=output)["data"]

        graph = open_network(text, weights=weights).graph
        value = next(op.outputs[0] for op in graph.operations if op.name == output)
        module = cut(graph, [value]).double()
        picture = torch.from_numpy(net.blobs["data"].data.astype(np.float64))
        wanted = torch.from_numpy(top.astype(np.float64))

        def score(at: int, step: float) -> float:
            moved = picture.clone()
            moved.view(-1)[at] += step
            with torch.no_grad():
                return float((module(moved)[0] * wanted).sum())

        largest = np.argsort(abs(gradient).ravel())[-200:]
        places = random.choice(largest, 12, replace=False)
        found = [(score(at, 1e-5) - score(at, -1e-5)) / 2e-5 for at in places]
        np.testing.assert_allclose(
            gradient.ravel()[places], found, rtol=1e-3, atol=1e-4 * abs(gradient).max()
        )


def test_what_scripts_reach_for_underneath(tmp_path):
    """Places in the list of blobs, in-place tops and Caffe's own splits included; two losses without named tops."""
    net = caffe.Net(written(tmp_path, CHAIN), caffe.TEST)
    assert list(zip(net._blob_names, net._blobs, strict=True)) == list(net.blobs.items())
    assert [net._blob_names[place] for place in net._inputs] == net.inputs == ["data"]
    assert [net._blob_names[place] for place in net._outputs] == net.outputs == ["sum"]
    for index, name in enumerate(net._layer_names):
        for ids, names in ((net._top_ids, net.top_names), (net._bottom_ids, net.bottom_names)):
            assert [net._blob_names[place] for place in ids(index)] == names[name]
    relu = net._layer_names.index("relu")
    assert net._top_ids(relu) == net._bottom_ids(relu) == net._top_ids(relu - 1)
    for index in (-1, len(net.layers)):
        with pytest.raises(InputError, match=f"the net has layers 0 to {len(net.layers) - 1}, not {index}"):
            net._top_ids(index)
    losses = SMALL.replace('top: "loss"', "") + (
        'layer { name: "other" type: "EuclideanLoss" bottom: "ip_blob" bottom: "ip_blob" }'
    )
    net = caffe.Net(written(tmp_path, losses), caffe.TRAIN)
    assert net._blob_names[-2:] == ["(automatic)"] * 2
    assert net._top_ids(len(net.layers) - 1) == [len(net._blobs) - 1] != net._top_ids(len(net.layers) - 2)
    assert caffe.pycaffe.Net is caffe.Net
    assert dict(zip(net._blob_names[:-2], net._blob_loss_weights, strict=False)) == dict(
        list(net.blob_loss_weights.items())[:-1]
    )
    assert net._blob_loss_weights[0] == 0
    with pytest.raises(
        AttributeError, match=r"Net has no 'backward_from_layer': .* `net.backward\(start=layer\)`"
    ):
        net.backward_from_layer("ip", 1)
    with pytest.raises(AttributeError, match="Net has no 'bloobs'"):
        _ = net.bloobs
    with pytest.raises(AttributeError, match="no 'get_pydot_graph': to_dot gives the text"):
        _ = caffe.draw.get_pydot_graph
