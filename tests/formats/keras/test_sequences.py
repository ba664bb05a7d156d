"""Recurrent layers, attention, layers in layers, volumes: against torch's own modules, from files written by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope import open_network
from convscope.errors import ConvscopeWarning, InputGuess, UnsupportedLayer
from plain_keras import functional, input_layer, layer, normal, sequential, write_h5, write_keras

X = torch.from_numpy(normal(2, 7, 5, scale=1.0))
VOLUME = torch.from_numpy(normal(2, 6, 7, 8, 4, scale=1.0))


def run(tmp_path, class_name, datasets, x, name=None, **config):
    """Run one layer of a ``.keras`` file; `datasets` lie under the group of the layer's class."""
    layers = [
        input_layer(tuple(x.shape[1:]), key="batch_shape"),
        layer(class_name, "tested", "photo", version=3, **config),
    ]
    placed = {f"layers/{name}/{key}".replace("/./", "/"): array for key, array in datasets.items()}
    path = write_keras(tmp_path / "net.keras", functional("net", layers, ["photo"], ["tested"]), placed)
    return open_network(path).activations(x, "tested")["tested"]


def cell(inputs, units, gates, seed=0):
    """Return kernel, recurrent kernel and bias of a layer with so many gates."""
    return (
        normal(inputs, gates * units, seed=seed),
        normal(units, gates * units, seed=seed + 1),
        normal(gates * units),
    )


def torchs(module, kernel, recurrent, bias, order):
    """Fill a module of torch's, whose gates have another order; Keras's bias is that of what comes in."""

    def turned(array):
        return torch.cat([torch.from_numpy(array.T).chunk(len(order))[gate] for gate in order])

    state = module.state_dict()
    state["weight_ih_l0"], state["weight_hh_l0"] = turned(kernel), turned(recurrent)
    bias = bias if bias.ndim == 2 else np.stack([bias, 0 * bias])
    state["bias_ih_l0"], state["bias_hh_l0"] = turned(bias[0]), turned(bias[1])
    module.load_state_dict(state)
    return module


def saved(arrays, group="cell"):
    return {f"{group}/vars/{at}": array for at, array in enumerate(arrays)}


GATES = {"activation": "tanh", "recurrent_activation": "sigmoid"}
GROUPS = {"LSTM": "lstm", "GRU": "gru"}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "class_name, module, gates, order",
    [
        ("LSTM", torch.nn.LSTM, 4, (0, 1, 2, 3)),
        ("GRU", torch.nn.GRU, 3, (1, 0, 2)),
        ("SimpleRNN", torch.nn.RNN, 1, (0,)),
    ],
)
def test_a_recurrent_layer_answers_as_torchs(tmp_path, class_name, module, gates, order, whole):
    kernel, recurrent, bias = cell(5, 4, gates)
    more = {}
    if class_name == "GRU":
        bias, more = normal(2, 12, seed=4), {"reset_after": True}
    found = run(
        tmp_path,
        class_name,
        saved((kernel, recurrent, bias)),
        X,
        GROUPS.get(class_name, "simple_rnn"),
        units=4,
        activation="tanh",
        return_sequences=whole,
        **more,
    )
    with torch.no_grad():
        expected, _ = torchs(module(5, 4, batch_first=True), kernel, recurrent, bias, order)(X)
    torch.testing.assert_close(found, expected if whole else expected[:, -1], rtol=1e-5, atol=1e-6)


def test_a_gru_that_resets_before_looks_at_what_it_has_reset(tmp_path):
    """As Cho et al. have it: the reset multiplies what is remembered, not what is made of it."""
    kernel, recurrent, bias = cell(5, 4, 3)
    found = run(
        tmp_path,
        "GRU",
        saved((kernel, recurrent, bias)),
        X,
        "gru",
        units=4,
        activation="tanh",
        reset_after=False,
        recurrent_activation="sigmoid",
    )
    k, r, b = (torch.from_numpy(array).double() for array in (kernel, recurrent, bias))
    hidden = torch.zeros(2, 4, dtype=torch.float64)
    for moment in X.double().unbind(1):
        z, reset = (
            torch.sigmoid(moment @ k[:, at] + b[at] + hidden @ r[:, at]) for at in (slice(0, 4), slice(4, 8))
        )
        candidate = torch.tanh(moment @ k[:, 8:] + b[8:] + (reset * hidden) @ r[:, 8:])
        hidden = z * hidden + (1 - z) * candidate
    torch.testing.assert_close(found, hidden.float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave"])
def test_both_ways_are_two_layers_one_of_which_reads_backwards(tmp_path, merge):
    one, other = cell(5, 4, 4), cell(5, 4, 4, seed=7)
    inner = {
        "class_name": "LSTM",
        "config": {"name": "lstm", "units": 4, "activation": "tanh", "return_sequences": True},
    }
    files = saved(one, "forward_layer/cell") | saved(other, "backward_layer/cell")
    found = run(tmp_path, "Bidirectional", files, X, "bidirectional", layer=inner, merge_mode=merge)
    modules = [torchs(torch.nn.LSTM(5, 4, batch_first=True), *arrays, range(4)) for arrays in (one, other)]
    with torch.no_grad():
        first, second = modules[0](X)[0], modules[1](X.flip(1))[0].flip(1)
    expected = {
        "concat": torch.cat((first, second), -1),
        "sum": first + second,
        "mul": first * second,
        "ave": (first + second) / 2,
    }
    torch.testing.assert_close(found, expected[merge], rtol=1e-5, atol=1e-6)


def test_attention_is_torchs(tmp_path):
    """Two heads of three; Keras keeps the heads on an axis of their own."""
    weights = {part: normal(5, 2, 3, seed=at) for at, part in enumerate(("query", "key", "value"))}
    biases = {part: normal(2, 3, seed=at) for at, part in enumerate(weights)}
    out, out_bias = normal(2, 3, 5, seed=9), normal(5, seed=9)
    files = {}
    for part, weight in weights.items():
        files |= saved((weight, biases[part]), f"{part}_dense")
    files |= saved((out, out_bias), "output_dense")
    layers = [
        input_layer((7, 5), key="batch_shape"),
        layer(
            "MultiHeadAttention",
            "tested",
            "photo",
            "photo",
            version=3,
            num_heads=2,
            key_dim=3,
            attention_axes=[1],
        ),
    ]
    path = write_keras(
        tmp_path / "net.keras",
        functional("net", layers, ["photo"], ["tested"]),
        {f"layers/multi_head_attention/{key}": array for key, array in files.items()},
    )
    found = open_network(path).activations(X, "tested")["tested"]
    q, k, v = (
        (X @ torch.from_numpy(weights[part].reshape(5, 6)) + torch.from_numpy(biases[part].reshape(6)))
        .reshape(2, 7, 2, 3)
        .transpose(1, 2)
        for part in weights
    )
    seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(2, 7, 6)
    expected = seen @ torch.from_numpy(out.reshape(6, 5)) + torch.from_numpy(out_bias)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_layer_for_each_moment_is_the_layer_of_each_picture(tmp_path):
    kernel, bias = normal(3, 2, 4, 5), normal(5)
    inner = {"class_name": "Conv2D", "config": {"name": "conv", "kernel_size": [3, 2], "activation": "tanh"}}
    found = run(
        tmp_path, "TimeDistributed", saved((kernel, bias), "layer"), VOLUME, "time_distributed", layer=inner
    )
    weight = torch.from_numpy(kernel).permute(3, 2, 0, 1)
    expected = torch.stack(
        [
            F.conv2d(moment.movedim(-1, 1), weight, torch.from_numpy(bias)).tanh().movedim(1, -1)
            for moment in VOLUME.unbind(1)
        ],
        1,
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_spectral_normalization_is_over_once_training_is(tmp_path):
    kernel, bias = normal(5, 3), normal(3)
    inner = {"class_name": "Dense", "config": {"name": "dense", "units": 3}}
    files = saved((kernel, bias), "layer") | saved((kernel, normal(1, 3)), "")
    found = run(
        tmp_path,
        "SpectralNormalization",
        {key.lstrip("/"): one for key, one in files.items()},
        X,
        "spectral_normalization",
        layer=inner,
    )
    torch.testing.assert_close(found, X @ torch.from_numpy(kernel) + torch.from_numpy(bias))


MAPS = VOLUME.movedim(-1, 1)
VOLUMES = {
    "max, the border counting for nothing": (
        "MaxPooling3D",
        {"pool_size": [2, 3, 3], "strides": [2, 2, 2], "padding": "same"},
        F.max_pool3d(F.pad(MAPS, (0, 1, 1, 1, 0, 0), value=-9e9), (2, 3, 3), 2),
    ),
    "average": ("AveragePooling3D", {"pool_size": [2, 1, 3]}, F.avg_pool3d(MAPS, (2, 1, 3))),
    "border": ("ZeroPadding3D", {"padding": [[1, 0], [2, 1], [0, 3]]}, F.pad(MAPS, (0, 3, 2, 1, 1, 0))),
    "cropped": ("Cropping3D", {"cropping": [[1, 0], [2, 1], [0, 3]]}, MAPS[:, :, 1:, 2:-1, :-3]),
    "larger": (
        "UpSampling3D",
        {"size": [2, 1, 3]},
        MAPS.repeat_interleave(2, 2).repeat_interleave(3, 4),
    ),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_a_layer_of_volumes(tmp_path, case):
    class_name, config, expected = VOLUMES[case]
    found = run(tmp_path, class_name, {}, VOLUME, **config)
    torch.testing.assert_close(found, expected.movedim(1, -1))


@pytest.mark.parametrize("padding, cut", [("valid", (0, None)), ("same", (0, -1))])
def test_transposed_and_separable_rows(tmp_path, padding, cut):
    kernel, (depth, point) = normal(3, 6, 5), (normal(3, 5, 2), normal(1, 10, 4))
    found = run(
        tmp_path,
        "Conv1DTranspose",
        saved((kernel,), "."),
        X,
        "conv1d_transpose",
        filters=6,
        kernel_size=[3],
        strides=[2],
        padding=padding,
        use_bias=False,
    )
    whole = F.conv_transpose1d(X.movedim(-1, 1), torch.from_numpy(kernel).permute(2, 1, 0), stride=2)
    torch.testing.assert_close(found, whole[..., slice(*cut)].movedim(1, -1), rtol=1e-5, atol=1e-5)
    found = run(
        tmp_path,
        "SeparableConv1D",
        saved((depth, point), "."),
        X,
        "separable_conv1d",
        kernel_size=[3],
        padding=padding,
        use_bias=False,
    )
    rows = F.pad(X.movedim(-1, 1), (1, 1)) if padding == "same" else X.movedim(-1, 1)
    each = F.conv1d(rows, torch.from_numpy(depth).permute(1, 2, 0).reshape(10, 1, 3), groups=5)
    expected = F.conv1d(each, torch.from_numpy(point).permute(2, 1, 0)).movedim(1, -1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_words_are_no_pictures(tmp_path):
    layers = [input_layer((7,)), layer("Embedding", "words", "photo", input_dim=9, output_dim=3)]
    path = write_h5(
        tmp_path / "net.h5",
        functional("net", layers, ["photo"], ["words"]),
        {"words": [("e:0", normal(9, 3))]},
        "3.1.0",
    )
    with pytest.raises(UnsupportedLayer, match="it looks words up by their numbers"):
        open_network(path)


@pytest.mark.parametrize("shape", [(12, 10), (121,), (784,)])
def test_rows_of_numbers_are_a_gray_picture(tmp_path, shape):
    """What a network for digits begins with: pictures without an axis of channels, or flat ones."""
    count = int(np.prod(shape))
    layers = [input_layer(shape), layer("Flatten", "flat"), layer("Dense", "digits", units=3)]
    path = write_h5(
        tmp_path / "net.h5",
        sequential("digits", layers),
        {"digits": [("k:0", normal(count, 3)), ("b:0", normal(3))]},
        "2.2.4",
    )
    with pytest.warns(InputGuess, match="a gray picture is its input"):
        network = open_network(path)
    size = shape if len(shape) == 2 else (int(count**0.5),) * 2
    spec = network.input_spec
    assert (spec.channel_order, spec.size, spec.layout) == ("GRAY", size, "NHWC")
    x = torch.rand(2, *size, 1)
    expected = x.flatten(1) @ torch.from_numpy(normal(count, 3)) + torch.from_numpy(normal(3))
    for given in (x, x.reshape(2, *shape)):
        torch.testing.assert_close(
            network.activations(given, "digits")["digits"], expected, rtol=1e-4, atol=1e-5
        )
    assert network.gradient(x, "digits:1").shape == x.shape
    picture = np.random.default_rng(0).integers(0, 255, (30, 25, 3), np.uint8)
    assert len(network.predict(picture, top=3)) == 3


def test_short_rows_stay_rows(tmp_path):
    layers = [input_layer((5,)), layer("Dense", "dense", units=3)]
    path = write_h5(
        tmp_path / "net.h5",
        sequential("n", layers),
        {"dense": [("k:0", normal(5, 3)), ("b:0", normal(3))]},
        "2.2.4",
    )
    assert open_network(path).input_spec is None


def test_a_convolutional_lstm_is_an_lstm_whose_gates_are_convolutions(tmp_path):
    film = torch.from_numpy(normal(2, 3, 6, 7, 2, scale=1.0))
    kernel, recurrent, bias = normal(3, 3, 2, 12), normal(3, 3, 3, 12, seed=1), normal(12)
    settings = {"filters": 3, "kernel_size": [3, 3], "strides": [2, 1], "padding": "valid", **GATES}
    datasets = saved([kernel, recurrent, bias])
    found = run(tmp_path, "ConvLSTM2D", datasets, film, "conv_lstm2d", **settings, return_sequences=True)
    seen, own = (torch.from_numpy(array).permute(3, 2, 0, 1) for array in (kernel, recurrent))
    hidden = memory = torch.zeros(2, 3, 2, 5)
    for at in range(3):
        gates = F.conv2d(film[:, at].movedim(-1, 1), seen, torch.from_numpy(bias), (2, 1))
        put, keep, new, show = (gates + F.conv2d(hidden, own, padding=1)).split(3, 1)
        memory = keep.sigmoid() * memory + put.sigmoid() * new.tanh()
        hidden = show.sigmoid() * memory.tanh()
        torch.testing.assert_close(found[:, at].movedim(-1, 1), hidden, rtol=1e-5, atol=1e-5)
    last = run(tmp_path, "ConvLSTM2D", datasets, film, "conv_lstm2d", **settings)
    torch.testing.assert_close(last, found[:, -1])


@pytest.mark.parametrize("whole", [False, True])
def test_a_film_is_read_both_ways(tmp_path, whole):
    """Each of the two is the layer by itself, the second on the film from its end."""
    film = torch.from_numpy(normal(2, 3, 6, 7, 2, scale=1.0))
    settings = {"filters": 3, "kernel_size": [2, 3], "padding": "same", "return_sequences": whole, **GATES}
    ways = [
        [normal(2, 3, 2, 12, seed=at), normal(2, 3, 3, 12, seed=at + 2), normal(12, seed=at)] for at in (1, 2)
    ]
    files = saved(ways[0], "forward_layer/cell") | saved(ways[1], "backward_layer/cell")
    inner = {"class_name": "ConvLSTM2D", "config": settings}
    found = run(tmp_path, "Bidirectional", files, film, "bidirectional", layer=inner, merge_mode="concat")
    alone = [
        run(tmp_path, "ConvLSTM2D", saved(arrays), given, "conv_lstm2d", **settings)
        for arrays, given in zip(ways, (film, film.flip(1)), strict=True)
    ]
    expected = torch.cat((alone[0], alone[1].flip(1) if whole else alone[1]), -1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name, size", [("Average", 3), ("Max", 4)])
def test_adaptive_pools_of_rows_and_volumes(tmp_path, name, size):
    functions = {
        "Average": (F.adaptive_avg_pool1d, F.adaptive_avg_pool3d),
        "Max": (F.adaptive_max_pool1d, F.adaptive_max_pool3d),
    }
    rows, volumes = functions[name]
    found = run(tmp_path, f"Adaptive{name}Pooling1D", {}, X, output_size=size)
    torch.testing.assert_close(found, rows(X.movedim(-1, 1), size).movedim(1, -1))
    found = run(tmp_path, f"Adaptive{name}Pooling3D", {}, VOLUME, output_size=[2, size, 5])
    torch.testing.assert_close(found, volumes(MAPS, (2, size, 5)).movedim(1, -1))


@pytest.mark.parametrize("more", [0, 1, 2])
def test_transposed_rows_and_volumes_have_an_output_padding(tmp_path, more):
    """As TensorFlow lays them: half of what is too much is cut before, the odd one behind."""
    settings = {"strides": 3, "padding": "same", "use_bias": False, "output_padding": more}
    kernel = normal(5, 6, 5)
    found = run(
        tmp_path, "Conv1DTranspose", saved((kernel,), "."), X, "conv1d_transpose", kernel_size=[5], **settings
    )
    whole = F.conv_transpose1d(X.movedim(-1, 1), torch.from_numpy(kernel).permute(2, 1, 0), stride=3)
    expected = whole.narrow(2, (4 - more) // 2, 19 + more)
    torch.testing.assert_close(found, expected.movedim(1, -1), rtol=1e-5, atol=1e-5)
    kernel = normal(3, 3, 3, 2, 4)
    settings |= {"kernel_size": [3, 3, 3], "output_padding": [more, 0, 1]}
    found = run(tmp_path, "Conv3DTranspose", saved((kernel,), "."), VOLUME, "conv3d_transpose", **settings)
    expected = F.conv_transpose3d(MAPS, torch.from_numpy(kernel).permute(4, 3, 0, 1, 2), stride=3)
    for axis, (extra, size) in enumerate(((more, 16), (0, 19), (1, 22))):
        expected = expected.narrow(2 + axis, (2 - extra) // 2, size + extra)
    torch.testing.assert_close(found, expected.movedim(1, -1), rtol=1e-5, atol=1e-5)


def test_a_mean_of_a_volume_at_the_border_is_of_its_own_numbers(tmp_path):
    found = run(
        tmp_path, "AveragePooling3D", {}, VOLUME, pool_size=[2, 3, 2], strides=[2, 2, 3], padding="same"
    )
    ones, sides = torch.ones_like(MAPS), (0, 0, 1, 1, 0, 0)
    total, count = (F.avg_pool3d(F.pad(one, sides), (2, 3, 2), (2, 2, 3)) for one in (MAPS, ones))
    torch.testing.assert_close(found, (total / count).movedim(1, -1), rtol=1e-5, atol=1e-6)


def test_cells_on_one_another_are_layers_after_one_another(tmp_path):
    lower, upper = cell(5, 4, 4), cell(4, 3, 4, seed=7)
    cells = [
        {"class_name": "LSTMCell", "config": {"name": name, "units": units, **GATES}}
        for name, units in (("low", 4), ("high", 3))
    ]
    datasets = saved(lower, "cell/cells/lstm_cell") | saved(upper, "cell/cells/lstm_cell_1")
    stack = {"class_name": "StackedRNNCells", "config": {"cells": cells}}
    found = run(tmp_path, "RNN", datasets, X, "rnn", cell=stack, return_sequences=True)
    order = [0, 1, 2, 3]
    first = torchs(torch.nn.LSTM(5, 4, batch_first=True), *lower, order)
    second = torchs(torch.nn.LSTM(4, 3, batch_first=True), *upper, order)
    torch.testing.assert_close(found, second(first(X)[0])[0], rtol=1e-5, atol=1e-5)


def three_keys(tmp_path, class_name, datasets=None, **config):
    """One layer of attention whose queries, values and keys are three different sequences."""
    parts = [layer("Cropping1D", name, "photo", version=3, cropping=list(cut))
             for name, cut in (("query", (0, 3)), ("value", (1, 1)), ("key", (2, 0)))]  # fmt: skip
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
        for name in ("query", "value", "key")
    ]
    node = layer(class_name, "tested", "query", version=3, **config)
    node["inbound_nodes"] = [{"args": [tensors], "kwargs": {}}]
    described = functional(
        "net", [input_layer((7, 5), key="batch_shape"), *parts, node], ["photo"], ["tested"]
    )
    network = open_network(write_keras(tmp_path / "net.keras", described, datasets or {}))
    return network.activations(X, "tested")["tested"], X[:, :4], X[:, 1:6], X[:, 2:]


def test_plain_attention_is_luongs_and_bahdanaus(tmp_path):
    found, query, value, key = three_keys(tmp_path, "Attention")
    torch.testing.assert_close(found, torch.einsum("bqf,bkf->bqk", query, key).softmax(-1) @ value)
    scale = normal(5, seed=3)
    kept = {"layers/additive_attention/vars/0": scale}
    found, query, value, key = three_keys(tmp_path, "AdditiveAttention", kept, use_scale=True)
    scores = torch.stack(
        [(torch.from_numpy(scale) * (query + key[:, at, None]).tanh()).sum(-1) for at in range(5)], -1
    )
    torch.testing.assert_close(found, scores.softmax(-1) @ value, rtol=1e-5, atol=1e-6)


def test_a_dense_einsum_and_a_dot_are_numpys(tmp_path):
    kernel, bias = normal(5, 2, 3), normal(3, seed=2)
    found = run(tmp_path, "EinsumDense", saved([kernel, bias], "."), X, "einsum_dense",
                equation="abc,cde->abde", bias_axes="e", activation="relu")  # fmt: skip
    expected = np.maximum(np.einsum("abc,cde->abde", X.numpy(), kernel) + bias, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    layers = [input_layer((7, 5), key="batch_shape"), layer("ReLU", "other", "photo", version=3)]
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
        for name in ("photo", "other")
    ]
    node = layer("Dot", "tested", "photo", version=3, axes=[1, 1])
    node["inbound_nodes"] = [{"args": [tensors], "kwargs": {}}]
    described = functional("net", [*layers, node], ["photo"], ["tested"])
    found = open_network(write_keras(tmp_path / "dot.keras", described, {})).activations(X, "tested")[
        "tested"
    ]
    torch.testing.assert_close(found, torch.einsum("btf,btg->bfg", X, X.relu()), rtol=1e-5, atol=1e-6)


def test_a_whole_model_at_each_moment(tmp_path):
    film = torch.from_numpy(normal(2, 3, 6, 7, 2, scale=1.0))
    kernel, bias = normal(3, 3, 2, 4), normal(4)
    inner = sequential(
        "inner", [layer("Conv2D", "conv", filters=4, kernel_size=[3, 3]), layer("Flatten", "flat")]
    )
    inner["config"]["build_input_shape"] = [None, 6, 7, 2]
    datasets = {f"layer/layers/conv2d/vars/{at}": array for at, array in enumerate((kernel, bias))}
    found = run(tmp_path, "TimeDistributed", datasets, film, "time_distributed", layer=inner)
    each = F.conv2d(
        film.flatten(0, 1).movedim(-1, 1),
        torch.from_numpy(kernel).permute(3, 2, 0, 1),
        torch.from_numpy(bias),
    )
    torch.testing.assert_close(found, each.movedim(1, -1).reshape(2, 3, -1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("version", [2, 3])
def test_what_a_masking_hides_is_0_and_layers_that_pass_over_it_are_cut(version, tmp_path):
    """Keras 3 tells each layer behind it the mask: a GRU of as many units as moments took that for its state."""
    x = X.clone()
    x[0, 1], x[1, 3:] = 0.5, 0.5
    x[1, 0, 0] = 0.5  # one number alone hides nothing
    told = {"class_name": "__keras_tensor__", "config": {"keras_history": ["told", 0, 0]}}
    layers = [
        input_layer((7, 5), key="batch_shape"),
        layer("Masking", "hidden", "photo", version=version, mask_value=0.5),
        layer("ReLU", "told", "photo", version=version),
        layer("MaxPooling1D", "pooled", "hidden", version=version, pool_size=2, strides=2, padding="valid"),
        layer("GRU", "read", "hidden", version=version, units=7, use_bias=False, **GATES),
    ]
    if version == 3:
        for described in layers[3:]:
            described["inbound_nodes"][0]["kwargs"] = {"mask": told}
    kernels = {f"layers/gru/{key}": one for key, one in saved((normal(5, 21), normal(7, 21))).items()}
    path = write_keras(
        tmp_path / "net.keras", functional("net", layers, ["photo"], ["pooled", "read"]), kernels
    )
    with pytest.warns(ConvscopeWarning, match="'read', a GRU: it passes over what a mask"):
        network = open_network(path)
    assert set(network.graph.cut) == {"read"}
    found = network.activations(x, "hidden", "pooled")
    expected = x.clone()
    expected[0, 1], expected[1, 3:] = 0, 0
    torch.testing.assert_close(found["hidden"], expected)
    torch.testing.assert_close(found["pooled"], F.max_pool1d(expected.mT, 2).mT)
