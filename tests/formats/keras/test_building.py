"""Models in models, layers called twice, and the names of what they give."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope import open_network
from convscope.errors import InputError, NetworkFileError
from convscope.formats.keras.configuration import read_model
from plain_keras import functional, input_layer, layer, normal, positive, sequential, write_h5, write_keras

X = torch.from_numpy(normal(2, 6, 5, 3, scale=1.0))
KERNELS = {name: normal(3, 3, 3, 3, seed=seed) for seed, name in enumerate(("stem", "conv", "last"))}
STATISTICS = {role: positive(3, seed=seed) for seed, role in enumerate(("gamma", "beta", "mean", "variance"))}


def conv(name, reads=(), **config):
    reads = (reads,) if isinstance(reads, str) else reads
    return layer(
        "Conv2D", name, *reads, padding="same", use_bias=False, kernel_size=[3, 3], filters=3, **config
    )


def block(frozen=False):
    norm = layer("BatchNormalization", "norm", "conv")
    norm["config"]["trainable"] = not frozen
    layers = [
        input_layer((None, None, 3), "inner_input"),
        conv("conv", "inner_input", activation="relu"),
        norm,
    ]
    return functional("block", layers, ["inner_input"], ["norm"])


def outer(first_call=1, frozen=False):
    """The inner model is called twice, and so is the last convolution; Keras counts an inner model's calls from 1."""
    inner = {**block(frozen), "inbound_nodes": [[["stem", 0, 0, {}]], [["block", first_call, 0, {}]]]}
    last = conv("last", [("block", first_call + 1)])
    last["inbound_nodes"].append([["last", 0, 0, {}]])
    return functional(
        "outer", [input_layer((6, 5, 3)), conv("stem", "photo"), inner, last], ["photo"], [("last", 1)]
    )


def inner_weights(order, names):
    arrays = {"kernel": KERNELS["conv"], **STATISTICS}
    return [(names[role], arrays[role]) for role in order]


TRAINED_FIRST = ("kernel", "gamma", "beta", "mean", "variance")
NAMES = {
    "kernel": "conv/kernel:0", "gamma": "norm/gamma:0", "beta": "norm/beta:0",
    "mean": "norm/moving_mean:0", "variance": "norm/moving_variance:0",
}  # fmt: skip
PLAIN = {role: f"variable_{at}" for at, role in enumerate(TRAINED_FIRST)}


def write(path, description, inner):
    weights = {name: [(f"{name}/kernel:0", KERNELS[name])] for name in ("stem", "last")}
    return write_h5(
        path, description, {"photo": [], "stem": weights["stem"], "block": inner, "last": weights["last"]}
    )


def same(x, name):
    return F.conv2d(x, torch.from_numpy(KERNELS[name]).permute(3, 2, 0, 1), padding=1)


def expected():
    values = {"stem": same(X.movedim(-1, 1), "stem")}
    x = values["stem"]
    gamma, beta, mean, variance = (torch.from_numpy(STATISTICS[role]) for role in TRAINED_FIRST[1:])
    for call in (1, 2):
        values[f"block/conv#{call}@conv"] = same(x, "conv")
        values[f"block/conv#{call}"] = values[f"block/conv#{call}@conv"].relu()
        x = F.batch_norm(values[f"block/conv#{call}"], mean, variance, gamma, beta, eps=1e-3)
        values[f"block/norm#{call}"] = values[f"block#{call}"] = x
    values["block"] = values["block/norm"] = x
    values["last#1"] = same(x, "last")
    values["last#2"] = values["last"] = same(values["last#1"], "last")
    return values


@pytest.mark.parametrize("first_call", [0, 1])
def test_an_inner_model_and_a_layer_that_are_called_twice(tmp_path, first_call):
    path = write(tmp_path / "net.h5", outer(first_call), inner_weights(TRAINED_FIRST, NAMES))
    network = open_network(path)
    wanted = expected()
    for name, value in network.activations(X, *wanted).items():
        torch.testing.assert_close(value, wanted[name].movedim(1, -1), rtol=1e-5, atol=1e-5)
    assert list(network.layers) == [
        "photo", "stem", "block/conv#1", "block/norm#1", "block/conv#2", "block/norm#2", "last#1", "last#2"
    ]  # fmt: skip
    assert sorted(network.parameters) == [
        "block/conv.kernel", "block/norm.beta", "block/norm.gamma", "block/norm.moving_mean",
        "block/norm.moving_variance", "last.kernel", "stem.kernel",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "frozen", "order"),
    [
        (NAMES, False, TRAINED_FIRST),
        (NAMES, True, ("norm", *TRAINED_FIRST)),
        (PLAIN, False, TRAINED_FIRST),
        (PLAIN, True, TRAINED_FIRST),
    ],
)
def test_inner_weights_are_found_by_name_and_else_by_keras_order(tmp_path, names, frozen, order):
    """Trained ones first, then those of a frozen normalization in its own order; names, where they tell, count more."""
    order = ("gamma", "beta", "mean", "variance", "kernel") if order[0] == "norm" else order
    network = open_network(write(tmp_path / "net.h5", outer(1, frozen), inner_weights(order, names)))
    value = network.activations(X, "last")["last"]
    torch.testing.assert_close(value, expected()["last"].movedim(1, -1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("within", "second"),
    [
        ("layers", "conv2d_1"),
        ("_layer_checkpoint_dependencies", "conv2d_1"),  # Keras 2.14
        (
            "_layer_checkpoint_dependencies",
            "conv2d_2",
        ),  # 2.12 and 2.13: a layer with weights is in that list twice
    ],
)
def test_the_groups_of_a_class_are_counted_in_each_model(tmp_path, within, second):
    inner = {**block(), "inbound_nodes": [[["stem", 0, 0, {}]]]}
    layers = [input_layer((6, 5, 3)), conv("stem", "photo"), inner, conv("last", "block")]
    norm = f"{within}/functional/{within}/batch_normalization/vars"
    datasets = {
        f"{within}/conv2d/vars/0": KERNELS["stem"],
        f"{within}/{second}/vars/0": KERNELS["last"],
        f"{within}/functional/{within}/conv2d/vars/0": KERNELS["conv"],
        **{f"{norm}/{at}": array for at, array in enumerate(STATISTICS.values())},
    }
    path = write_keras(tmp_path / "net.keras", functional("net", layers, ["photo"], ["last"]), datasets)
    found = open_network(path).activations(X, "block", "last")
    torch.testing.assert_close(found["block"], expected()["block#1"].movedim(1, -1), rtol=1e-5, atol=1e-5)
    last = same(expected()["block#1"], "last").movedim(1, -1)
    torch.testing.assert_close(found["last"], last, rtol=1e-5, atol=1e-5)


def test_a_sequential_model_without_an_input_layer_states_its_shape_in_the_first(tmp_path):
    first = conv("stem")
    first["config"]["batch_input_shape"] = [None, 6, 5, 3]
    path = write_h5(tmp_path / "n.h5", sequential("n", [first, conv("last")]), {
        name: [("kernel:0", KERNELS[name])] for name in ("stem", "last")})  # fmt: skip
    network = open_network(path)
    assert dict(network.graph.inputs) == {"stem_input": (1, 6, 5, 3)}
    value = network.activations(X, "last")["last"]
    torch.testing.assert_close(value, same(same(X.movedim(-1, 1), "stem"), "last").movedim(1, -1))


def test_groups_of_other_names_are_matched_in_order(tmp_path):
    layers = [input_layer((6, 5, 3)), conv("stem", "photo"), conv("last", "stem")]
    weights = {"a": [("a:0", KERNELS["stem"])], "b": [("b:0", KERNELS["last"])]}
    path = write_h5(tmp_path / "n.h5", functional("n", layers, ["photo"], ["last"]), weights)
    value = open_network(path).activations(X, "last")["last"]
    torch.testing.assert_close(value, same(same(X.movedim(-1, 1), "stem"), "last").movedim(1, -1))


def test_an_open_size_is_the_usual_one_or_what_is_given(tmp_path):
    layers = [input_layer((None, None, 3)), conv("stem", "photo")]
    weights = {"stem": [("kernel:0", KERNELS["stem"])]}
    path = write_h5(tmp_path / "n.h5", functional("n", layers, ["photo"], ["stem"]), weights)
    assert open_network(path).shapes["stem"] == (1, 224, 224, 3)
    assert open_network(path, input_shape=(1, 32, 48, 3)).shapes["stem"] == (1, 32, 48, 3)
    with pytest.raises(InputError, match=r"the input 'photo' has 4 axes .* not 3"):
        open_network(path, input_shape=(32, 48, 3))


def test_a_model_that_feeds_on_itself_or_on_nothing_is_refused(tmp_path):
    inner = {**block(), "inbound_nodes": [[["photo", 0, 0, {}], ["photo", 0, 0, {}]]]}
    layers = [input_layer((6, 5, 3)), inner]
    path = write(
        tmp_path / "n.h5",
        functional("n", layers, ["photo"], [("block", 1)]),
        inner_weights(TRAINED_FIRST, NAMES),
    )
    with pytest.raises(NetworkFileError, match="the inner model 'block' has 1 inputs and is given 2"):
        open_network(path)


def test_models_nested_without_end_are_refused(tmp_path):
    nested = functional("deep", [input_layer((4, 4, 3))], ["photo"], ["photo"])
    for _ in range(40):
        nested = functional("deep", [{**nested, "inbound_nodes": []}], ["deep"], ["deep"])
    with pytest.raises(NetworkFileError, match="models lie inside models more than 32 deep"):
        open_network(write_h5(tmp_path / "n.h5", nested, {}))


def test_numbers_are_copied_once_and_in_single_precision(tmp_path):
    layers = [input_layer((6, 5, 3)), conv("stem", "photo")]
    weights = {"stem": [("kernel:0", KERNELS["stem"].astype(np.float16))]}
    network = open_network(write_h5(tmp_path / "n.h5", functional("n", layers, ["photo"], ["stem"]), weights))
    assert network.parameters["stem.kernel"].dtype == torch.float32
    halves = KERNELS["stem"].astype(np.float16).astype(np.float32)
    assert np.array_equal(network.parameters["stem.kernel"].numpy(), halves.transpose(3, 2, 0, 1))


@pytest.mark.parametrize("version", [2, 3])
def test_calls_of_an_inner_model_are_counted_as_each_version_does(version: int) -> None:
    """Keras 2 counts the making of the model in all references, Keras 3.11 in what comes out alone."""
    inner = functional("inner", [layer("InputLayer", "there", version=version)], ["there"], ["there"])
    first = 1 if version == 2 else 0
    other = layer("Activation", "other", ("inner", first), version=version, activation="relu")
    twice = layer("Activation", "twice", "picture", version=version, activation="relu")
    callers = [layer("Activation", "", read, version=version) for read in ("picture", "twice")]
    calls = [caller["inbound_nodes"][0] for caller in callers]
    layers = [
        layer("InputLayer", "picture", version=version),
        {**inner, "inbound_nodes": calls},
        twice,
        other,
    ]
    outputs = [("inner", 1), "other"] + [("inner", 2)] * (version == 2)
    model = read_model(functional("whole", layers, ["picture"], outputs), "made.keras")
    assert model.outputs[0].call == 0
    order = [(one.name, call) for one, call in model.in_order()]
    assert sorted(order) == [("inner", 0), ("inner", 1), ("other", 0), ("picture", 0), ("twice", 0)]
    assert order.index(("inner", 0)) < order.index(("other", 0))
