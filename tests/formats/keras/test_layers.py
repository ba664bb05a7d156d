"""Each layer type against torch's own function, on maps whose channels are last."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope import open_network
from convscope.errors import NetworkFileError, UnsupportedLayer
from plain_keras import functional, input_layer, layer, normal, positive, write_h5

X = torch.from_numpy(normal(2, 9, 8, 6, scale=1.0))
MAPS = X.movedim(-1, 1)


def run(tmp_path, class_name, weights=(), x=X, **config):
    layers = [input_layer(tuple(x.shape[1:])), layer(class_name, "tested", "photo", **config)]
    named = [(f"tested/{at}:0", array) for at, array in enumerate(weights)]
    path = write_h5(
        tmp_path / "net.h5", functional("net", layers, ["photo"], ["tested"]), {"tested": named}, "3.1.0"
    )
    return open_network(path).activations(x, "tested")["tested"]


def kernel(array):
    return torch.from_numpy(array).permute(3, 2, 0, 1)


def channels(array):
    return torch.from_numpy(array)[:, None, None]


ONES, GAMMA, BETA, MEAN, VARIANCE = (
    np.ones(6, np.float32), positive(6), normal(6), normal(6, seed=1), positive(6, seed=1)
)  # fmt: skip
K, D, P, T = normal(3, 2, 6, 4), normal(3, 3, 6, 2), normal(1, 1, 12, 5), normal(4, 4, 3, 6)
ROWS = positive(X.shape[2], 6, seed=2)
DEPTHWISE = torch.from_numpy(D).permute(2, 3, 0, 1).reshape(12, 1, 3, 3)
BATCH_NORM = (MAPS - channels(MEAN)) / (channels(VARIANCE) + 1e-3).sqrt() * channels(GAMMA) + channels(BETA)

# Class, settings, weights, and what torch makes of (N, C, H, W).
CASES = {
    "valid": ("Conv2D", {"use_bias": False}, [K], F.conv2d(MAPS, kernel(K))),
    "dilated": (
        "Conv2D", {"use_bias": False, "padding": "same", "dilation_rate": [2, 2]}, [K],
        F.conv2d(F.pad(MAPS, (1, 1, 2, 2)), kernel(K), dilation=2),
    ),
    "grouped": (
        "Conv2D", {"groups": 2, "strides": [2, 1]}, [K[:, :, :3], normal(4)],
        F.conv2d(MAPS, kernel(K[:, :, :3]), torch.from_numpy(normal(4)), stride=(2, 1), groups=2),
    ),
    "depthwise": (
        "DepthwiseConv2D", {"use_bias": False, "padding": "same", "strides": [2, 2]}, [D],
        F.conv2d(F.pad(MAPS, (0, 1, 1, 1)), DEPTHWISE, stride=2, groups=6),
    ),
    "separable": (
        "SeparableConv2D", {"activation": "tanh"}, [D, P, normal(5)],
        (F.conv2d(F.conv2d(MAPS, DEPTHWISE, groups=6), kernel(P), torch.from_numpy(normal(5)))).tanh(),
    ),
    "transposed": (
        "Conv2DTranspose", {"use_bias": False, "strides": [2, 2], "kernel_size": [4, 4], "padding": "same"}, [T],
        F.conv_transpose2d(MAPS, kernel(T), stride=2, padding=1),
    ),
    "transposed, kernel smaller than stride": (
        "Conv2DTranspose", {"use_bias": False, "strides": [5, 5], "kernel_size": [4, 4]}, [T],
        F.conv_transpose2d(MAPS, kernel(T), stride=5, output_padding=1),
    ),
    "dense at each position": (
        "Dense", {}, [normal(6, 3), normal(3)],
        (X @ torch.from_numpy(normal(6, 3)) + torch.from_numpy(normal(3))).movedim(-1, 1),
    ),
    "batch norm, as Keras 3.15 writes it": (
        "BatchNormalization",
        {"axis": -1, "momentum": 0.99, "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99},
        [GAMMA, BETA, MEAN, VARIANCE],
        BATCH_NORM,
    ),
    "batch norm, renormalized in training": (
        "BatchNormalization",
        {"renorm": True, "renorm_clipping": {"rmax": 3.0, "rmin": 0.3, "dmax": 5.0}, "renorm_momentum": 0.9},
        [GAMMA, BETA, MEAN, VARIANCE, VARIANCE + 1, MEAN + 1, VARIANCE + 2],
        BATCH_NORM,
    ),
    "batch norm": ("BatchNormalization", {"axis": [3]}, [GAMMA, BETA, MEAN, VARIANCE], BATCH_NORM),
    "batch norm without its own scale": (
        "BatchNormalization", {"axis": -1, "scale": False, "center": False, "epsilon": 0.1}, [MEAN, VARIANCE],
        (MAPS - channels(MEAN)) / (channels(VARIANCE) + 0.1).sqrt(),
    ),
    "layer norm": (
        "LayerNormalization", {"axis": [-1], "epsilon": 1e-6}, [GAMMA, BETA],
        F.layer_norm(X, (6,), torch.from_numpy(GAMMA), torch.from_numpy(BETA), 1e-6).movedim(-1, 1),
    ),
    "layer norm whose mean stays": (
        "LayerNormalization", {"axis": [-1], "epsilon": 0.01, "rms_scaling": True}, [GAMMA],
        MAPS / (MAPS.var(1, correction=0, keepdim=True) + 0.01).sqrt() * channels(GAMMA),
    ),
    "the same along rows, whatever it says of a scale": (
        "LayerNormalization", {"axis": 1, "rms_scaling": True, "scale": False}, [positive(9)],
        MAPS / (MAPS.var(2, correction=0, keepdim=True) + 1e-3).sqrt() * torch.from_numpy(positive(9))[:, None],
    ),
    "rms normalization over two axes": (
        "RMSNormalization", {"axis": [-1, -2], "epsilon": 0.01}, [ROWS],
        MAPS * (MAPS.square().mean((1, 3), keepdim=True) + 0.01).rsqrt() * torch.from_numpy(ROWS).T[:, None],
    ),
    "group norm": (
        "GroupNormalization", {"groups": 3, "epsilon": 0.01}, [GAMMA, BETA],
        F.group_norm(MAPS, 3, torch.from_numpy(GAMMA), torch.from_numpy(BETA), 0.01),
    ),
    "normalization": (
        "Normalization", {"axis": [-1]}, [MEAN, VARIANCE, np.float32(7)],
        (MAPS - channels(MEAN)) / channels(VARIANCE).sqrt(),
    ),
    "normalization, stated": (
        "Normalization", {"axis": -1, "mean": MEAN.tolist(), "variance": VARIANCE.tolist()}, [],
        (MAPS - channels(MEAN)) / channels(VARIANCE).sqrt(),
    ),
    "normalization by one mean for all": (
        "Normalization", {"axis": [], "mean": 0.7, "variance": 5.5}, [], (MAPS - 0.7) / 5.5**0.5,
    ),
    "normalization undone": (
        "Normalization", {"axis": [-1], "mean": MEAN.tolist(), "variance": VARIANCE.tolist(), "invert": True}, [],
        MAPS * channels(VARIANCE).sqrt() + channels(MEAN),
    ),
    "normalization by one mean undone": (
        "Normalization", {"axis": None, "mean": 0.7, "variance": 5.5, "invert": True}, [], MAPS * 5.5**0.5 + 0.7,
    ),
    "what only training does": ("RandomGaussianBlur", {"factor": 1.0, "kernel_size": 3, "sigma": 1.0}, [], MAPS),
    "rescaling": ("Rescaling", {"scale": 0.5, "offset": -1.0}, [], MAPS * 0.5 - 1),
    "rescaling each channel": (
        "Rescaling", {"scale": GAMMA.tolist(), "offset": 0.5}, [], MAPS * channels(GAMMA) + 0.5
    ),
    "layer scale": ("LayerScale", {"projection_dim": 6}, [GAMMA], MAPS * channels(GAMMA)),
    "max pooling": (
        "MaxPooling2D", {"pool_size": [3, 3], "strides": [2, 2], "padding": "same"}, [],
        F.max_pool2d(F.pad(MAPS, (0, 1, 1, 1), value=-np.inf), 3, 2),
    ),
    "max pooling, rounded down": ("MaxPooling2D", {"pool_size": [2, 2], "strides": None}, [], F.max_pool2d(MAPS, 2)),
    "average pooling of what is there": (
        "AveragePooling2D", {"pool_size": [3, 3], "strides": [1, 1], "padding": "same"}, [],
        F.avg_pool2d(MAPS, 3, 1, 1, count_include_pad=False),
    ),
    "adaptive average": (
        "AdaptiveAveragePooling2D", {"output_size": [4, 3]}, [], F.adaptive_avg_pool2d(MAPS, (4, 3))
    ),
    "adaptive maximum": ("AdaptiveMaxPooling2D", {"output_size": 5}, [], F.adaptive_max_pool2d(MAPS, 5)),
    "global average": ("GlobalAveragePooling2D", {}, [], MAPS.mean((2, 3))),
    "global average, axes kept": ("GlobalAveragePooling2D", {"keepdims": True}, [], MAPS.mean((2, 3), keepdim=True)),
    "global maximum": ("GlobalMaxPooling2D", {}, [], MAPS.amax((2, 3))),
    "padding": ("ZeroPadding2D", {"padding": [[0, 1], [2, 3]]}, [], F.pad(MAPS, (2, 3, 0, 1))),
    "cropping": ("Cropping2D", {"cropping": [[0, 1], [2, 3]]}, [], MAPS[:, :, :-1, 2:-3]),
    "upsampling": ("UpSampling2D", {"size": [2, 3]}, [], MAPS.repeat_interleave(2, 2).repeat_interleave(3, 3)),
    "upsampling between pixels": (
        "UpSampling2D", {"size": [2, 2], "interpolation": "bilinear"}, [],
        F.interpolate(MAPS, scale_factor=2, mode="bilinear"),
    ),
    "resizing": ("Resizing", {"height": 5, "width": 12}, [], F.interpolate(MAPS, (5, 12), mode="bilinear")),
    "flatten": ("Flatten", {}, [], X.reshape(2, -1)),
    "reshape": ("Reshape", {"target_shape": [-1, 6]}, [], X.reshape(2, 72, 6).movedim(-1, 1)),
    "permute": ("Permute", {"dims": [2, 1, 3]}, [], MAPS.transpose(2, 3)),
    "dropout": ("Dropout", {"rate": 0.5}, [], MAPS),
    "relu6": ("ReLU", {"max_value": 6.0}, [], F.relu6(MAPS)),
    "relu with a slope and a maximum": (
        "ReLU", {"max_value": 1.0, "negative_slope": 0.2}, [], F.leaky_relu(MAPS, 0.2).clamp(max=1)
    ),
    "leaky relu": ("LeakyReLU", {"alpha": 0.25}, [], F.leaky_relu(MAPS, 0.25)),
    "prelu": ("PReLU", {"shared_axes": [1, 2]}, [GAMMA.reshape(1, 1, 6)], F.prelu(MAPS, torch.from_numpy(GAMMA))),
    "elu": ("ELU", {"alpha": 0.5}, [], F.elu(MAPS, 0.5)),
    "softmax": ("Softmax", {"axis": -1}, [], MAPS.softmax(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_torchs(tmp_path, name):
    class_name, config, weights, expected = CASES[name]
    found = run(tmp_path, class_name, weights, **config)
    expected = expected.movedim(1, -1) if expected.dim() > 2 else expected
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


ACTIVATIONS = {
    "relu": F.relu, "relu6": F.relu6, "elu": F.elu, "selu": F.selu, "gelu": F.gelu, "sigmoid": torch.sigmoid,
    "tanh": torch.tanh, "softplus": F.softplus, "softsign": F.softsign, "swish": F.silu, "silu": F.silu,
    "hard_sigmoid": F.hardsigmoid, "hard_silu": F.hardswish, "mish": F.mish, "exponential": torch.exp,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2), "softmax": lambda x: x.softmax(1), "linear": lambda x: x,
    "log_softmax": lambda x: x.log_softmax(1), "hard_tanh": F.hardtanh,
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_torchs_as_a_layer_and_inside_one(tmp_path, name):
    expected = ACTIVATIONS[name](MAPS).movedim(1, -1)
    torch.testing.assert_close(run(tmp_path, "Activation", activation=name), expected)
    one = np.eye(6, dtype=np.float32)[None, None]
    found = run(
        tmp_path, "Conv2D", [one], use_bias=False, activation={"class_name": "function", "config": name}
    )
    torch.testing.assert_close(found, expected)


def test_a_layer_may_be_an_activation(tmp_path):
    one = np.eye(6, dtype=np.float32)[None, None]
    inner = {"class_name": "LeakyReLU", "config": {"alpha": 0.25}}
    found = run(tmp_path, "Conv2D", [one], use_bias=False, activation=inner)
    torch.testing.assert_close(found, F.leaky_relu(X, 0.25))


def merged(tmp_path, class_name, **config):
    """What a layer makes of maps, of the same by half, and of their means."""
    layers = [
        input_layer((9, 8, 6)),
        layer("Rescaling", "half", "photo", scale=0.5),
        layer("GlobalAveragePooling2D", "mean", "photo", keepdims=True),
        layer(class_name, "two", "photo", "half", **config),
        layer(class_name, "three", "photo", "half", "photo", **config),
        layer(class_name, "stretched", "half", "mean", **config),
    ]
    outputs = ["two", "three", "stretched"] if class_name != "Concatenate" else ["two", "three"]
    layers = [one for one in layers if one["name"] in ("photo", "half", "mean", *outputs)]
    path = write_h5(tmp_path / "net.h5", functional("net", layers, ["photo"], outputs), {})
    return open_network(path).activations(X, *outputs)


HALF, MEANS = X / 2, X.mean((1, 2), keepdim=True)
MERGES = {
    "Add": [X + HALF, X + HALF + X, HALF + MEANS],
    "Multiply": [X * HALF, X * HALF * X, HALF * MEANS],
    "Average": [(X + HALF) / 2, (X + HALF + X) / 3, (HALF + MEANS) / 2],
    "Maximum": [X.maximum(HALF), X.maximum(HALF), HALF.maximum(MEANS)],
    "Minimum": [X.minimum(HALF), X.minimum(HALF), HALF.minimum(MEANS)],
    "Concatenate": [torch.cat((X, HALF), 3), torch.cat((X, HALF, X), 3)],
}


@pytest.mark.parametrize("class_name", MERGES)
def test_merging_is_numpys(tmp_path, class_name):
    found = merged(tmp_path, class_name)
    for value, expected in zip(found.values(), MERGES[class_name], strict=True):
        torch.testing.assert_close(value, expected)


def test_functions_between_layers(tmp_path):
    """What Keras 3 and Keras 2 write for ``relu6(x + 3) * (1 / 6)`` and ``1 - x``."""

    def function(name, reads, *others, **keywords):
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [reads, 0, 0]}}
        args = [*others, tensor] if keywords.pop("swapped", False) else [tensor, *others]
        return {"module": "keras.src.ops.numpy", "class_name": name, "name": f"{name}_{reads}",
                "config": {"name": name}, "inbound_nodes": [{"args": args, "kwargs": keywords}]}  # fmt: skip

    def old(function, reads, **keywords):
        return {"class_name": "TFOpLambda", "name": f"tf.{function}", "config": {"name": "x", "function": function},
                "inbound_nodes": [[reads, 0, 0, keywords]]}  # fmt: skip

    layers = [
        input_layer((9, 8, 6)),
        function("Add", "photo", 3.0),
        function("Relu6", "Add_photo"),
        function("Multiply", "Relu6_Add_photo", 1 / 6),
        function("Subtract", "photo", 1.0, swapped=True),
        old("__operators__.add", "photo", y=3.0, name=None),
        old("math.multiply", "tf.__operators__.add", y=["photo", 0, 0]),
    ]
    outputs = ["Multiply_Relu6_Add_photo", "Subtract_photo", "tf.math.multiply"]
    network = open_network(write_h5(tmp_path / "n.h5", functional("n", layers, ["photo"], outputs), {}))
    found = network.activations(X, *outputs)
    for value, expected in zip(found.values(), (F.relu6(X + 3) / 6, 1 - X, (X + 3) * X), strict=True):
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(
    "name, settings, expected",
    [
        ("Elu", {"alpha": 0.5}, lambda x: F.elu(x, 0.5)),
        ("Gelu", {"approximate": True}, lambda x: F.gelu(x, approximate="tanh")),
        ("Gelu", {"approximate": False}, F.gelu),
        ("Gelu", {}, lambda x: F.gelu(x, approximate="tanh")),
    ],
)
def test_functions_have_their_settings_and_their_own_defaults(tmp_path, name, settings, expected):
    """keras.ops.gelu approximates unless it is told not to; the activation of that name does not."""
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["photo", 0, 0]}}
    node = {"module": "keras.src.ops.nn", "class_name": name, "name": "function", "config": settings,
            "inbound_nodes": [{"args": [tensor], "kwargs": {}}]}  # fmt: skip
    described = functional("n", [input_layer((9, 8, 6)), node], ["photo"], ["function"])
    network = open_network(write_h5(tmp_path / "n.h5", described, {}))
    torch.testing.assert_close(network.activations(X, "function")["function"], expected(X))


REFUSED = {
    "padding": (
        "Conv2D",
        {"padding": "causal"},
        "its padding is 'causal'; convscope knows 'valid' and 'same'",
    ),
    "axes": (
        "BatchNormalization",
        {"axis": [1, 2]},
        r"normalizes along the axes \[1, 2\]; convscope knows one",
    ),
    "interpolation": (
        "UpSampling2D",
        {"interpolation": "sinc"},
        "its interpolation is 'sinc'; convscope knows nearest",
    ),
    "activation": (
        "Activation",
        {"activation": "relu7"},
        "the activation 'relu7'.* Did you mean 'relu' or 'relu6'",
    ),
    "a setting of which nothing is known": (
        "MaxPooling2D",
        {"padding": "same", "rounding": "up"},
        "a MaxPooling2D: what its rounding = 'up' means is not known here",
    ),
    "type": (
        "Conv4D",
        {},
        "the type 'Conv4D', which convscope does not know. Did you mean 'Conv",
    ),
    "settings": ("Reshape", {"target_shape": "all"}, "a Reshape, is described wrongly .ValueError"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_said(tmp_path, name):
    class_name, config, message = REFUSED[name]
    weights = [K, normal(4)] if class_name == "Conv2D" else []
    with pytest.raises((NetworkFileError, UnsupportedLayer), match=message):
        run(tmp_path, class_name, weights or [ONES] * 4 * (class_name == "BatchNormalization"), **config)


@pytest.mark.parametrize("class_name", ["Conv2D", "TimeDistributed"])
def test_an_activation_that_has_learned_something(class_name, tmp_path):
    slopes = {"class_name": "PReLU", "config": {"name": "p", "shared_axes": [1, 2]}}
    settings = {"filters": 4, "kernel_size": [3, 2], "padding": "same", "activation": slopes}
    weights, by_channel = [K, BETA[:4], GAMMA[:4].reshape(1, 1, 4)], torch.from_numpy(GAMMA[:4])
    x = X if class_name == "Conv2D" else torch.from_numpy(normal(2, 3, 9, 8, 6, scale=1.0))
    if class_name == "TimeDistributed":
        settings = {"layer": {"class_name": "Conv2D", "config": {"name": "inner", **settings}}}
    found = run(tmp_path, class_name, weights, x, **settings)
    maps = F.conv2d(x.flatten(0, -4).movedim(-1, 1), kernel(K), torch.from_numpy(BETA[:4]), padding="same")
    expected = torch.where(maps > 0, maps, maps * by_channel[:, None, None]).movedim(1, -1)
    torch.testing.assert_close(found.flatten(0, -4), expected, rtol=1e-5, atol=1e-5)
