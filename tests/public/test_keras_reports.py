"""What people reported of Keras's files: each rebuilt small, with the right value restated."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope import ConvscopeWarning, open_network
from convscope.errors import UnsupportedLayer
from plain_keras import functional, input_layer, layer, normal, sequential, write_h5, write_keras

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
