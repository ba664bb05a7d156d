"""What people reported of Keras's files: each rebuilt small, with the right value restated."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope import ConvscopeWarning, open_network
from convscope.errors import UnsupportedLayer
from plain_keras import functional, input_layer, layer, normal, positive, sequential, write_h5, write_keras

X = torch.from_numpy(normal(1, 9, 8, 3, scale=1.0))
MAPS = X.movedim(-1, 1)


def opened(folder, layers, weights, version="2.3.0"):
    named = {
        name: [(f"{name}/{at}:0", array) for at, array in enumerate(arrays)]
        for name, arrays in weights.items()
    }
    return open_network(write_h5(folder / "model.h5", sequential("model", layers), named, version))


def test_keras_19441_a_transposed_convolution_that_states_its_groups(tmp_path):
    kernel = normal(3, 3, 4, 3)
    first = layer(
        "Conv2DTranspose", "up", kernel_size=[3, 3], strides=[2, 2], padding="same", groups=1, use_bias=False
    )
    network = opened(tmp_path, [input_layer((9, 8, 3)), first], {"up": [kernel]}, "2.12.0")
    whole = F.conv_transpose2d(MAPS, torch.from_numpy(kernel).permute(3, 2, 0, 1), stride=2)
    torch.testing.assert_close(network.activations(X, "up")["up"].movedim(-1, 1), whole[..., :-1, :-1])


def test_keras_19151_a_depthwise_convolution_that_states_its_groups(tmp_path):
    kernel = normal(3, 3, 3, 2)
    deep = layer("DepthwiseConv2D", "deep", kernel_size=[3, 3], groups=1, depth_multiplier=2, use_bias=False)
    network = opened(tmp_path, [input_layer((9, 8, 3)), deep], {"deep": [kernel]}, "2.15.0")
    weight = torch.from_numpy(kernel).permute(2, 3, 0, 1).reshape(6, 1, 3, 3)
    torch.testing.assert_close(
        network.activations(X, "deep")["deep"].movedim(-1, 1), F.conv2d(MAPS, weight, groups=3)
    )


def test_keras_19151_a_lambda_is_cut_and_the_rest_is_there(tmp_path):
    layers = [
        input_layer((9, 8, 3)),
        layer("Conv2D", "conv", kernel_size=[3, 3], use_bias=False),
        layer("Lambda", "code", function=["4wEAAAA=", None, None], function_type="lambda"),
        layer("ReLU", "behind"),
    ]
    with pytest.warns(ConvscopeWarning, match="'code' is cut off, and so 'behind' is behind"):
        network = opened(tmp_path, layers, {"conv": [normal(3, 3, 3, 4)]})
    assert list(network.layers) == ["photo", "conv"]


def test_keras_7431_a_mobilenet_of_2017_names_its_own_activation(tmp_path):
    layers = [input_layer((9, 8, 3)), layer("Activation", "conv1_relu", activation="relu6")]
    network = opened(tmp_path, layers, {}, "2.0.6")
    found = network.activations(X * 9, "conv1_relu")["conv1_relu"]
    torch.testing.assert_close(found, (X * 9).clamp(0, 6))


def test_keras_10417_an_input_layer_of_its_own_before_a_dense_layer(tmp_path):
    """Dense works at each position of (64, 64)."""
    kernel, bias = normal(10, 1), normal(1)
    layers = [input_layer((12, 10), "input"), layer("Dense", "dense", units=1)]
    network = opened(tmp_path, layers, {"dense": [kernel, bias]}, "2.2.4")
    x = torch.from_numpy(normal(1, 12, 10))
    found = network.activations(x, "dense")["dense"]
    torch.testing.assert_close(found, x @ torch.from_numpy(kernel) + torch.from_numpy(bias))


def test_keras_6248_a_residual_network_of_keras_1_states_input_dtype(tmp_path):
    convolution = layer(
        "Convolution2D", "conv1", nb_filter=4, nb_row=3, nb_col=2, border_mode="valid", subsample=[2, 1],
        batch_input_shape=[None, 9, 8, 3], input_dtype="float32", dim_ordering="tf", bias=True,
    )  # fmt: skip
    kernel, bias = normal(3, 2, 3, 4), normal(4)
    network = opened(tmp_path, [convolution], {"conv1": [kernel, bias]}, "1.2.2")
    expected = F.conv2d(
        MAPS, torch.from_numpy(kernel).permute(3, 2, 0, 1), torch.from_numpy(bias), stride=(2, 1)
    )
    torch.testing.assert_close(network.activations(X, "conv1")["conv1"].movedim(-1, 1), expected)


def test_tensorflow_64685_an_input_that_states_its_batch_shape(tmp_path):
    layers = [input_layer((9, 8, 3), key="batch_shape"), layer("ReLU", "relu", "photo", version=3)]
    path = write_keras(tmp_path / "mood.keras", functional("mood", layers, ["photo"], ["relu"]), {})
    torch.testing.assert_close(open_network(path).activations(X, "relu")["relu"], X.relu())


def test_keras_core_469_a_model_of_an_own_class_that_is_functional(tmp_path):
    layers = [input_layer((9, 8, 3), key="batch_shape"), layer("ReLU", "relu", "photo", version=3)]
    model = {
        **functional("own", layers, ["photo"], ["relu"]),
        "class_name": "TorchModel",
        "registered_name": "My>TorchModel",
    }
    path = write_keras(tmp_path / "own.keras", model, {})
    assert list(open_network(path).layers) == ["photo", "relu"]


def test_keras_20106_a_stateful_layer_with_its_batch_stated(tmp_path):
    """A first call begins with nothing remembered, as Keras's own does."""
    kernel, recurrent, bias = normal(7, 16), normal(4, 16, seed=1), normal(16)
    lstm = layer(
        "LSTM", "lstm", units=4, batch_input_shape=[1, 5, 7], stateful=True, activation="tanh",
        recurrent_activation="sigmoid",
    )  # fmt: skip
    network = opened(tmp_path, [lstm], {"lstm": [kernel, recurrent, bias]}, "2.4.0")
    x = torch.from_numpy(normal(1, 5, 7))
    module = torch.nn.LSTM(7, 4, batch_first=True)
    arrays = {
        "weight_ih_l0": kernel.T,
        "weight_hh_l0": recurrent.T,
        "bias_ih_l0": bias,
        "bias_hh_l0": 0 * bias,
    }
    module.load_state_dict(
        {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    )
    with torch.no_grad():
        torch.testing.assert_close(
            network.activations(x, "lstm")["lstm"], module(x)[0][:, -1], rtol=1e-5, atol=1e-6
        )


def test_tensorflow_39635_time_first_is_not_taken_for_batch_first(tmp_path):
    lstm = layer("LSTM", "lstm", units=4, batch_input_shape=[None, 5, 7], time_major=True, activation="tanh")
    with pytest.raises(UnsupportedLayer, match="has the time first"):
        opened(tmp_path, [lstm], {"lstm": [normal(7, 16), normal(4, 16), normal(16)]}, "2.4.0")


def test_fkb_4_an_input_of_a_few_numbers_is_no_picture(tmp_path):
    kernel, bias = normal(5, 8), normal(8)
    layers = [layer("Dense", "dense", units=8, activation="relu", batch_input_shape=[None, 5])]
    network = opened(tmp_path, layers, {"dense": [kernel, bias]})
    x = torch.from_numpy(normal(2, 5))
    found = network.activations(x, "dense")["dense"]
    torch.testing.assert_close(found, (x @ torch.from_numpy(kernel) + torch.from_numpy(bias)).relu())
    assert network.input_spec is None


def tensor(name, call=0, output=0):
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, output]}}


def span(start=None, stop=None):
    return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": None}}


def function(class_name, name, *args, **config):
    return {"module": "keras.src.ops.numpy", "class_name": class_name, "name": name, "config": config,
            "inbound_nodes": [{"args": list(args), "kwargs": {}}]}  # fmt: skip


def test_keras_core_932_a_slice_between_layers(tmp_path):
    cut = function("GetItem", "cut", tensor("photo"), [span(), span(1, -1), span(1, -1)])
    described = functional("m", [input_layer((9, 8, 3)), cut], ["photo"], ["cut"])
    found = open_network(write_keras(tmp_path / "m.keras", described, {})).activations(X, "cut")["cut"]
    assert torch.equal(found, X[:, 1:-1, 1:-1])


def test_keras_19561_an_ellipsis_and_a_new_axis_between_layers(tmp_path):
    wide = function("GetItem", "wide", tensor("row"), [{"class_name": "__ellipsis__", "config": {}}, None])
    both = function("Add", "sum", tensor("photo"), tensor("wide"))
    inputs = [input_layer((9, 9)), input_layer((9,), name="row")]
    described = functional("m", [*inputs, wide, both], ["photo", "row"], ["sum"])
    network = open_network(write_keras(tmp_path / "m.keras", described, {}))
    given = {"photo": torch.from_numpy(normal(1, 9, 9)), "row": torch.from_numpy(normal(1, 9, seed=4))}
    found = network.activations(given, "sum")["sum"]
    torch.testing.assert_close(found, given["photo"] + given["row"][..., None])


def test_keras_19305_a_dot_of_two_inputs(tmp_path):
    inputs = [input_layer((10,)), input_layer((10,), name="other")]
    dot = layer("Dot", "dot", "photo", version=3, axes=1, normalize=False)
    dot["inbound_nodes"] = [{"args": [[tensor("photo"), tensor("other")]], "kwargs": {}}]
    rest = layer("Flatten", "flat", "dot", version=3)
    described = functional("m", [*inputs, dot, rest], ["photo", "other"], ["flat"])
    network = open_network(write_keras(tmp_path / "m.keras", described, {}))
    given = {"photo": torch.from_numpy(normal(2, 10)), "other": torch.from_numpy(normal(2, 10, seed=4))}
    found = network.activations(given, "flat")["flat"]
    torch.testing.assert_close(found, (given["photo"] * given["other"]).sum(1, keepdim=True))


def test_coremltools_268_a_model_of_its_own_for_each_picture_of_a_film(tmp_path):
    kernel, film = normal(3, 3, 3, 4), torch.from_numpy(normal(1, 5, 9, 8, 3, scale=1.0))
    conv = layer("Conv2D", "conv", "frame", version=3, kernel_size=[3, 3], use_bias=False)
    pool = layer("GlobalAveragePooling2D", "pool", "conv", version=3)
    inner = functional("cnn", [input_layer((9, 8, 3), name="frame"), conv, pool], ["frame"], ["pool"])
    each = layer("TimeDistributed", "each", "photo", version=3, layer=inner)
    described = functional("m", [input_layer((5, 9, 8, 3)), each], ["photo"], ["each"])
    weights = {"layers/time_distributed/layer/layers/conv2d/vars/0": kernel}
    network = open_network(write_keras(tmp_path / "m.keras", described, weights))
    maps = F.conv2d(film[0].movedim(-1, 1), torch.from_numpy(kernel).permute(3, 2, 0, 1))
    torch.testing.assert_close(network.activations(film, "each")["each"][0], maps.mean((2, 3)))
    assert "each/conv" in network.layers


def test_dl4j_9156_a_convolutional_lstm(tmp_path):
    """Of one picture only: what the gates make of it, nothing remembered."""
    kernel, recurrent = normal(3, 3, 3, 8), normal(3, 3, 2, 8, seed=1)
    film = layer("Reshape", "film", target_shape=[1, 9, 8, 3])
    lstm = layer("ConvLSTM2D", "lstm", filters=2, kernel_size=[3, 3], padding="valid", use_bias=False,
                 activation="tanh", recurrent_activation="hard_sigmoid")  # fmt: skip
    network = opened(tmp_path, [input_layer((9, 8, 3)), film, lstm], {"lstm": [kernel, recurrent]})
    gates = F.conv2d(MAPS, torch.from_numpy(kernel).permute(3, 2, 0, 1)).split(2, 1)
    put, _, new, show = (gate if at == 2 else (0.2 * gate + 0.5).clamp(0, 1) for at, gate in enumerate(gates))
    expected = show * (put * new.tanh()).tanh()
    torch.testing.assert_close(network.activations(X, "lstm")["lstm"].movedim(-1, 1), expected)


def test_openvino_20315_a_convolutional_lstm_both_ways(tmp_path):
    """Of two pictures: each way ends with what the other begins with."""
    arrays = [[normal(3, 3, 3, 8, seed=at), normal(3, 3, 2, 8, seed=at + 5)] for at in (1, 2)]
    film = layer("Reshape", "film", target_shape=[2, 9, 4, 3])
    settings = {"name": "lstm", "filters": 2, "kernel_size": [3, 3], "padding": "same", "use_bias": False,
                "activation": "tanh", "recurrent_activation": "sigmoid"}  # fmt: skip
    inner = {"class_name": "ConvLSTM2D", "config": settings}
    both = layer("Bidirectional", "both", layer=inner, merge_mode="sum")
    network = opened(
        tmp_path, [input_layer((9, 8, 3)), film, both], {"both": [*arrays[0], *arrays[1]]}, "2.12.0"
    )
    moments, total = X.reshape(2, 9, 4, 3).movedim(-1, 1), 0
    for (kernel, recurrent), order in zip(arrays, ((0, 1), (1, 0)), strict=True):
        seen, own = (torch.from_numpy(one).permute(3, 2, 0, 1) for one in (kernel, recurrent))
        hidden = memory = torch.zeros(1, 2, 9, 4)
        for at in order:
            gates = F.conv2d(moments[at : at + 1], seen, padding=1) + F.conv2d(hidden, own, padding=1)
            put, keep, new, show = gates.split(2, 1)
            memory = keep.sigmoid() * memory + put.sigmoid() * new.tanh()
            hidden = show.sigmoid() * memory.tanh()
        total = total + hidden
    found = network.activations(X, "both")["both"].movedim(-1, 1)
    torch.testing.assert_close(found, total, rtol=1e-5, atol=1e-6)


def test_keras_19806_and_19642_rms_scaling_has_one_weight_along_any_axes(tmp_path):
    gamma = positive(9, 8)
    norm = layer("LayerNormalization", "norm", axis=[-3, -2], epsilon=0.02, rms_scaling=True)
    network = opened(tmp_path, [input_layer((9, 8, 3)), norm], {"norm": [gamma]}, "3.4.0")
    deviation = (X.var((1, 2), correction=0, keepdim=True) + 0.02).sqrt()
    expected = X / deviation * torch.from_numpy(gamma)[..., None]
    torch.testing.assert_close(network.activations(X, "norm")["norm"], expected, rtol=1e-5, atol=1e-5)


def test_keras_19721_18452_and_tensorflow_45579_a_mean_at_the_border_is_of_what_is_there(tmp_path):
    """The reports' own numbers: 10 and 20 under a window of three are 15, whatever the picture's two sides are."""
    first = layer("AveragePooling2D", "mean", pool_size=[3, 3], strides=[2, 2], padding="same")
    network = opened(tmp_path, [input_layer((2, 5, 1)), first], {}, "3.6.0")
    picture = torch.tensor([[10.0, 10, 10, 30, 30], [20, 20, 20, 40, 40]]).reshape(1, 2, 5, 1)
    expected = torch.tensor([15.0, (15 + 15 + 35) / 3, 35.0])
    torch.testing.assert_close(network.activations(picture, "mean")["mean"].flatten(), expected)


@pytest.mark.parametrize("version, smeared", [("2.2.4-tf", False), ("2.2.4", True)])
def test_tensorflow_29856_bilinear_enlarging_smears_to_the_right_and_below(tmp_path, version, smeared):
    """Keras as its own package did so; TensorFlow's enlarges a picture turned around to the answer turned around."""
    up = layer("UpSampling2D", "up", size=[2, 2], interpolation="bilinear")
    network = opened(tmp_path, [input_layer((9, 8, 3)), up], {}, version)
    found = network.activations(X, "up")["up"]
    assert torch.equal(found[:, :, -1], found[:, :, -2]) is smeared
    turned = network.activations(X.flip(1, 2), "up")["up"].flip(1, 2)
    assert torch.allclose(found, turned, atol=1e-6) is not smeared


def test_tf_keras_460_and_keras_16952_bicubic_upsampling(tmp_path):
    """A single bright pixel, along a row away from its ends: Keys's curve with a slope of -0.5."""
    up = layer("UpSampling2D", "up", size=[1, 2], interpolation="bicubic")
    network = opened(tmp_path, [input_layer((1, 9, 1)), up], {}, "2.9.0")
    row = torch.zeros(1, 1, 9, 1)
    row[0, 0, 4] = 1
    near = torch.tensor([-0.0234375, -0.0703125, 0.2265625, 0.8671875])
    found = network.activations(row, "up")["up"].flatten()
    torch.testing.assert_close(found[5:13], torch.cat((near, near.flip(0))))
