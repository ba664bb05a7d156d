"""Whole files, real and written by hand, against the same arithmetic in torch; each wrong file has its own sentence."""

import json

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from click.testing import CliRunner

from convscope import layer_table, open_network
from convscope.cli import main
from convscope.errors import ConvscopeWarning, NetworkFileError, UnsupportedLayer, WeightsMismatch
from plain_keras import (
    functional,
    input_layer,
    layer,
    normal,
    positive,
    sequential,
    write_groups,
    write_h5,
    write_keras,
)

KERNEL, BIAS = normal(3, 3, 3, 4), normal(4, seed=1)
DENSE, DENSE_BIAS = normal(4, 5, seed=2), normal(5, seed=3)
X = torch.from_numpy(normal(2, 9, 8, 3, seed=9))


def small(version, order="channels_last"):
    shape = (9, 8, 3) if order == "channels_last" else (3, 9, 8)
    layers = [
        input_layer(shape, key="batch_shape" if version == 3 else "batch_input_shape"),
        layer("Conv2D", "conv", "photo", version=version, filters=4, kernel_size=[3, 3], strides=[2, 2],
              padding="same", activation="relu", data_format=order),
        layer("GlobalAveragePooling2D", "pool", "conv", version=version, data_format=order),
        layer("Dense", "prob", "pool", version=version, units=5, activation="softmax"),
    ]  # fmt: skip
    return functional("small", layers, ["photo"], ["prob"])


def small_in_torch(x):
    """Written out for (N, C, H, W): padding "same" of 9 x 8 by stride 2 is 1 + 1 rows, 0 + 1 columns."""
    kernel = torch.from_numpy(KERNEL).permute(3, 2, 0, 1)
    conv = F.conv2d(F.pad(x, (0, 1, 1, 1)), kernel, torch.from_numpy(BIAS), stride=2)
    pool = conv.relu().mean((2, 3))
    prob = (pool @ torch.from_numpy(DENSE) + torch.from_numpy(DENSE_BIAS)).softmax(1)
    return {"conv@conv": conv, "conv": conv.relu(), "pool": pool, "prob": prob}


def small_weights(prefix=""):
    return {
        "photo": [],
        "conv": [(f"{prefix}conv/kernel:0", KERNEL), (f"{prefix}conv/bias:0", BIAS)],
        "pool": [],
        "prob": [("prob/kernel:0", DENSE), ("prob/bias:0", DENSE_BIAS)],
    }


def groups_of_keras_3():
    arrays = {"conv2d": (KERNEL, BIAS), "dense": (DENSE, DENSE_BIAS)}
    return {
        f"layers/{name}/vars/{at}": array for name, pair in arrays.items() for at, array in enumerate(pair)
    }


def compare(network, x, expected, **tolerances):
    found = network.activations(x, *expected)
    for name, value in expected.items():
        value = value.movedim(1, -1) if value.dim() > 2 and network.graph.channels_last else value
        torch.testing.assert_close(found[name], value, **tolerances)


def test_one_network_in_each_form_keras_saves_it(tmp_path):
    for network in (
        open_network(write_h5(tmp_path / "two.h5", small(2), small_weights())),
        open_network(write_keras(tmp_path / "three.keras", small(3), groups_of_keras_3())),
        open_network(write_keras(tmp_path / "packed.keras", small(3), groups_of_keras_3(), compression=8)),
    ):
        assert network.shapes["conv@conv"] == (1, 5, 4, 4)
        assert network.layers["conv"].steps == ("Conv2D", "relu")
        assert network.class_output == "prob"
        compare(network, X, small_in_torch(X.movedim(-1, 1)))


def test_weights_alone_go_with_the_models_json(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({**small(3), "module": "keras"}))
    (tmp_path / "old.json").write_text(json.dumps({**small(2), "keras_version": "2.2.4"}))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        write_groups(file, small_weights())
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        for key, array in groups_of_keras_3().items():
            file[key] = array
    for description in ("model.json", "old.json"):
        for weights in ("weights.h5", "model.weights.h5"):
            network = open_network(tmp_path / description, weights=tmp_path / weights)
            compare(network, X, small_in_torch(X.movedim(-1, 1)))
    with pytest.raises(NetworkFileError, match="describes a model and holds no weights: give weights=FILE"):
        open_network(tmp_path / "model.json")
    with pytest.raises(NetworkFileError, match="holds weights only"):
        open_network(tmp_path / "weights.h5")


def test_channels_first_models_keep_their_order(tmp_path):
    network = open_network(write_h5(tmp_path / "first.h5", small(2, "channels_first"), small_weights()))
    assert network.shapes["conv"] == (1, 4, 5, 4)
    assert not network.graph.channels_last
    assert network.input_spec.layout == "NCHW"
    compare(network, X.movedim(-1, 1).contiguous(), small_in_torch(X.movedim(-1, 1)))


def test_keras_1_on_theano_kept_kernels_filters_first_and_turned_round(tmp_path):
    """Its words, its order of axes and its convolution, which flips the kernel; no version is stated in such a file."""
    old = sequential(
        "old",
        [
            {"class_name": "Convolution2D", "config": {
                "name": "conv", "nb_filter": 4, "nb_row": 3, "nb_col": 3, "border_mode": "same", "subsample": [2, 2],
                "dim_ordering": "th", "activation": "relu", "bias": True, "batch_input_shape": [None, 3, 9, 8]}},
            {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool", "dim_ordering": "th"}},
            {"class_name": "Dense", "config": {"name": "prob", "output_dim": 5, "activation": "softmax", "bias": True}},
        ],
    )  # fmt: skip
    old["config"] = old["config"]["layers"]
    kernel = np.ascontiguousarray(KERNEL.transpose(3, 2, 0, 1)[:, :, ::-1, ::-1])
    weights = {**small_weights(), "conv": [("conv_W", kernel), ("conv_b", BIAS)]}
    del weights["photo"]
    path = write_h5(tmp_path / "old.h5", old, weights, version="1.2.2", backend="theano")
    compare(open_network(path), X.movedim(-1, 1).contiguous(), small_in_torch(X.movedim(-1, 1)))
    (tmp_path / "old.json").write_text(json.dumps(old))  # nor does its description state a version
    plain = {**weights, "conv": [("conv_W", kernel[:, :, ::-1, ::-1]), ("conv_b", BIAS)]}
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        write_groups(file, plain)
    network = open_network(tmp_path / "old.json", weights=tmp_path / "plain.h5")
    compare(network, X.movedim(-1, 1).contiguous(), small_in_torch(X.movedim(-1, 1)))


def lstm_of_keras_1(x, gates):
    """Each gate has weights of its own; the gates' sigmoid is Theano's hard one."""
    hidden = memory = np.zeros((len(x), 3), np.float32)
    answers = []
    for moment in x.swapaxes(0, 1):
        sums = {name: moment @ w + hidden @ u + b for name, (w, u, b) in gates.items()}
        hard = {name: np.clip(0.2 * one + 0.5, 0, 1) for name, one in sums.items()}
        memory = hard["f"] * memory + hard["i"] * np.tanh(sums["c"])
        hidden = hard["o"] * np.tanh(memory)
        answers.append(hidden)
    return np.stack(answers, 1)


def gru_of_keras_1(x, gates):
    hidden, answers = np.zeros((len(x), 3), np.float32), []
    for moment in x.swapaxes(0, 1):
        update, reset = (
            np.clip(0.2 * (moment @ w + hidden @ u + b) + 0.5, 0, 1) for w, u, b in (gates["z"], gates["r"])
        )
        w, u, b = gates["h"]
        hidden = update * hidden + (1 - update) * np.tanh(moment @ w + (reset * hidden) @ u + b)
        answers.append(hidden)
    return np.stack(answers, 1)


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize(("kind", "names"), [("LSTM", "icfo"), ("GRU", "zrh")])
def test_keras_1_kept_each_gate_by_itself(kind, names, both_ways, tmp_path):
    formula = lstm_of_keras_1 if kind == "LSTM" else gru_of_keras_1
    ways = [
        {
            name: [normal(*size, seed=way + 9 * at) for size in ((4, 3), (3, 3), (3,))]
            for at, name in enumerate(names)
        }
        for way in range(1 + both_ways)
    ]
    config = {"name": "r", "output_dim": 3, "inner_activation": "hard_sigmoid", "activation": "tanh", "dropout_U": 0.0,
              "return_sequences": True, "consume_less": "cpu", "batch_input_shape": [None, 5, 4]}  # fmt: skip
    described = {"class_name": kind, "config": config}
    if both_ways:
        outer = {"name": "r", "merge_mode": "concat", "layer": described, "batch_input_shape": [None, 5, 4]}
        described = {"class_name": "Bidirectional", "config": outer}
    old = {"class_name": "Sequential", "config": [described]}
    stored = [(f"{way}{gate}{at}", array) for way, gates in enumerate(ways) for gate, arrays in gates.items()
              for at, array in enumerate(arrays)]  # fmt: skip
    network = open_network(write_h5(tmp_path / "old.h5", old, {"r": stored}, version="1.2.2"))
    x = normal(2, 5, 4, seed=77)
    expected = formula(x, ways[0])
    if both_ways:
        expected = np.concatenate([expected, formula(x[:, ::-1], ways[1])[:, ::-1]], -1)
    found = network.activations(torch.from_numpy(x), "r")["r"]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("before_1_1", [False, True])
def test_rows_of_keras_1_are_pictures_one_pixel_high(before_1_1, tmp_path):
    kernel, bias, x = normal(3, 4, 5), normal(5, seed=1), normal(2, 11, 4, seed=2)
    config = {"name": "c", "nb_filter": 5, "filter_length": 3, "subsample_length": 2, "border_mode": "valid",
              "activation": "relu", "bias": True, "batch_input_shape": [None, 11, 4]}  # fmt: skip
    layers = [{"class_name": "Convolution1D", "config": config},
              {"class_name": "MaxPooling1D", "config": {"name": "p", "pool_length": 2, "stride": 1}}]  # fmt: skip
    old = {"class_name": "Sequential", "config": layers}
    stored = kernel.transpose(2, 1, 0)[..., None] if before_1_1 else kernel[:, None]
    weights = {"c": [("c_W", stored), ("c_b", bias)], "p": []}
    network = open_network(
        write_h5(tmp_path / "old.h5", old, weights, version="1.0.8" if before_1_1 else "1.2.2")
    )
    rows = torch.from_numpy(x).movedim(-1, 1)
    conv = F.conv1d(rows, torch.from_numpy(kernel).permute(2, 1, 0), torch.from_numpy(bias), stride=2).relu()
    expected = F.max_pool1d(conv, 2, 1).movedim(1, -1)
    torch.testing.assert_close(network.activations(torch.from_numpy(x), "p")["p"], expected)


def test_a_gradient_is_that_of_the_same_network_in_torch(tmp_path):
    network = open_network(write_h5(tmp_path / "two.h5", small(2), small_weights()))
    found = network.gradient(X, "conv:2")
    x = X.movedim(-1, 1).clone().requires_grad_()
    small_in_torch(x)["conv"][:, 2].sum().backward()
    torch.testing.assert_close(found, x.grad.movedim(1, -1))


def test_the_emotions_of_mini_xception(shared_data):
    path = shared_data / "keras" / "fer2013_mini_XCEPTION.119-0.65.hdf5"
    network = open_network(path)
    assert network.class_count == 7
    assert network.input_spec.channel_order == "GRAY"
    assert layer_table(network).parameters == 58_168  # those Keras counts
    with h5py.File(path) as file:
        kernel = file["model_weights/conv2d_1/conv2d_1/kernel:0"][()]
    x = torch.from_numpy(normal(1, 48, 48, 1))
    conv = F.conv2d(x.movedim(-1, 1), torch.from_numpy(kernel).permute(3, 2, 0, 1))
    torch.testing.assert_close(network.activations(x, "conv2d_1")["conv2d_1"], conv.movedim(1, -1))
    assert sum(
        value for _, value in network.predict(shared_data / "pictures" / "cat.jpg", 7)
    ) == pytest.approx(1)
    listed = CliRunner().invoke(main, ["layers", str(path)])
    assert listed.exit_code == 0
    assert "Separable" in listed.output


@pytest.mark.slow
def test_the_emotions_are_reported(shared_data, tmp_path):
    path = shared_data / "keras" / "fer2013_mini_XCEPTION.119-0.65.hdf5"
    picture = shared_data / "pictures" / "cat.jpg"
    made = CliRunner().invoke(
        main, ["report", str(path), str(picture), "--quick", "-o", str(tmp_path / "page.html")]
    )
    assert made.exit_code == 0, made.output


def dense_net():
    """SSR-Net's little DenseNet of 13 layers (three blocks of three, growth 12) and its three dense layers."""
    convs = iter(range(1, 100))
    norms = iter(range(1, 100))
    layers = [input_layer((64, 64, 3), "input_2")]

    def conv(reads, filters, size):
        name = f"conv2d_{next(convs)}"
        layers.append(
            layer(
                "Conv2D",
                name,
                reads,
                filters=filters,
                kernel_size=[size, size],
                padding="same",
                use_bias=False,
            )
        )
        return name

    def norm(reads):
        number = next(norms)
        layers.append(
            layer("BatchNormalization", f"batch_normalization_{number}", reads, epsilon=1.1e-5, axis=-1)
        )
        layers.append(
            layer("Activation", f"activation_{number}", f"batch_normalization_{number}", activation="relu")
        )
        return f"activation_{number}"

    value, channels = conv("input_2", 24, 3), 24
    for block in range(3):
        for step in range(3):
            new, joined = conv(norm(value), 12, 3), f"concatenate_{3 * block + step + 1}"
            layers.append(layer("Concatenate", joined, value, new, axis=-1))
            value, channels = joined, channels + 12
        if block < 2:
            value = conv(norm(value), channels, 1)
            layers.append(
                layer("AveragePooling2D", f"average_pooling2d_{block + 1}", value, pool_size=[2, 2])
            )
            value = f"average_pooling2d_{block + 1}"
    layers.append(layer("GlobalAveragePooling2D", "global_average_pooling2d_1", norm(value)))
    inner = functional("densenet", layers, ["input_2"], ["global_average_pooling2d_1"])
    outer = [
        input_layer((64, 64, 3), "input_1"),
        {**inner, "inbound_nodes": [[["input_1", 0, 0, {}]]]},
        layer("Dense", "dense_1", ("densenet", 1), units=128, activation="relu"),
        layer("Dropout", "dropout_1", "dense_1", rate=0.2),
        layer("Dense", "feat_a", "dropout_1", units=32, activation="relu"),
        layer("Dense", "pred_a", "feat_a", units=1),
    ]
    return functional("age", outer, ["input_1"], ["pred_a"])


def test_weights_of_a_model_in_a_model_find_their_layers(shared_data, tmp_path):
    """The file has no architecture; with it written down as JSON, the age of a picture comes out as torch has it."""
    weights = shared_data / "keras" / "densenet_reg_13_64.h5"
    (tmp_path / "age.json").write_text(json.dumps({**dense_net(), "keras_version": "2.0.6"}))
    with pytest.raises(NetworkFileError, match=r"holds weights only .* open_network\('model.json', weights="):
        open_network(weights)
    network = open_network(tmp_path / "age.json", weights=weights)
    assert network.shapes["densenet/concatenate_9"] == (1, 16, 16, 132)
    x = torch.from_numpy(positive(2, 64, 64, 3))
    with h5py.File(weights) as file:
        read = {}
        file.visititems(
            lambda name, item: read.update(
                {name: torch.from_numpy(item[()])} if hasattr(item, "shape") else {}
            )
        )
    expected = age_in_torch(x.movedim(-1, 1), read)
    found = network.activations(x, "densenet", "pred_a")
    torch.testing.assert_close(found["densenet"], expected[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["pred_a"], expected[1], rtol=1e-5, atol=1e-4)


def age_in_torch(x, read):
    def conv(x, number):
        kernel = read[f"densenet/conv2d_{number}/kernel:0"].permute(3, 2, 0, 1)
        return F.conv2d(x, kernel, padding=kernel.shape[-1] // 2)

    def norm(x, number):
        gamma, beta, mean, variance = (
            read[f"densenet/batch_normalization_{number}/{role}:0"]
            for role in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return F.batch_norm(x, mean, variance, gamma, beta, eps=1.1e-5).relu()

    x, number = conv(x, 1), 1
    for block in range(3):
        for _ in range(3):
            x, number = torch.cat((x, conv(norm(x, number), number + 1)), 1), number + 1
        if block < 2:
            x, number = F.avg_pool2d(conv(norm(x, number), number + 1), 2), number + 1
    pooled = y = norm(x, number).mean((2, 3))
    for name in ("dense_1", "feat_a", "pred_a"):
        y = y @ read[f"{name}/{name}/kernel:0"] + read[f"{name}/{name}/bias:0"]
        y = y.relu() if name != "pred_a" else y
    return pooled, y


VGG16 = [(1, 2, 64), (2, 2, 128), (3, 3, 256), (4, 3, 512), (5, 3, 512)]
# Layer, its last axis and its parameters, as Keras prints VGG16 without its top.
TABLE = """
block1_conv1 64 1792
block1_conv2 64 36928
block1_pool 64 0
block2_conv1 128 73856
block2_conv2 128 147584
block2_pool 128 0
block3_conv1 256 295168
block3_conv2 256 590080
block3_conv3 256 590080
block3_pool 256 0
block4_conv1 512 1180160
block4_conv2 512 2359808
block4_conv3 512 2359808
block4_pool 512 0
block5_conv1 512 2359808
block5_conv2 512 2359808
block5_conv3 512 2359808
block5_pool 512 0
"""


def vgg16_without_its_top():
    layers, before = [input_layer((None, None, 3), "input_1")], "input_1"
    for block, count, filters in VGG16:
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            layers.append(
                layer(
                    "Conv2D",
                    name,
                    before,
                    filters=filters,
                    kernel_size=[3, 3],
                    padding="same",
                    activation="relu",
                )
            )
            before = name
        layers.append(layer("MaxPooling2D", f"block{block}_pool", before, pool_size=[2, 2], strides=[2, 2]))
        before = f"block{block}_pool"
    return functional("vgg16", layers, ["input_1"], ["block5_pool"])


def test_vgg16_without_its_top_has_the_table_that_keras_prints(tmp_path):
    weights, channels = {}, 3
    for block, count, filters in VGG16:
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            weights[name] = [(f"{name}/kernel:0", (3, 3, channels, filters)), (f"{name}/bias:0", (filters,))]
            channels = filters
    path = write_h5(tmp_path / "vgg16.h5", vgg16_without_its_top(), {})
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for name, variables in weights.items():
            group.create_group(name).attrs["weight_names"] = [variable.encode() for variable, _ in variables]
            for variable, shape in variables:
                group[name].create_dataset(variable, shape, "f4")  # space for zeros that are never written
    table = layer_table(open_network(path))
    assert table.parameters == 14_714_688
    rows = [f"{row.name} {row.shape[-1]} {row.parameters}" for row in table.rows[1:]]
    assert rows == TABLE.split("\n")[1:-1]
    assert table.rows[0].shape == (1, 224, 224, 3)
    larger = open_network(path, input_shape=(1, 320, 256, 3))
    assert larger.shapes["block5_pool"] == (1, 10, 8, 512)
    spec = larger.input_spec
    assert (spec.size, spec.channel_order, spec.mean) == ((320, 256), "BGR", (103.939, 116.779, 123.68))
    assert "guessed: channel_order, raw_scale, mean" in str(spec)


def write_text(path, text):
    path.write_text(text)
    return path


def h5_of(path, **attributes):
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
    return path


WRONG = {
    "no HDF5": (
        lambda path: write_text(path / "net.h5", "nothing of the kind"),
        "is a damaged HDF5 file",
    ),
    "no zip": (lambda path: write_text(path / "net.keras", "no zip either"), "is not a .keras file, which is a zip"),
    "no JSON in it": (lambda path: h5_of(path / "net.h5", model_config="{"), "its model_config is not JSON"),
    "a model of a class of its own": (
        lambda path: h5_of(path / "net.h5", model_config=json.dumps({"class_name": "MyNet", "config": {"width": 3}})),
        "a class of its own \\(MyNet\\), whose layers only its code knows: make a Functional",
    ),
    "other JSON": (lambda path: write_text(path / "net.json", "{}"), "does not describe a Keras model"),
    "a configuration no Keras writes": (
        lambda path: write_h5(path / "net.h5", functional("x", [{"class_name": "Dense"}], ["a"], ["a"]), {}),
        "net\\.h5: model\\.layers\\[0\\] has no 'config'",
    ),
    "layers that wait for each other": (
        lambda path: write_h5(path / "net.h5", functional("x", [
            input_layer((4, 4, 3)), layer("Add", "a", "photo", "b"), layer("Add", "b", "photo", "a")],
            ["photo"], ["b"]), {}),
        "layers that wait for each other: 'a', 'b'",
    ),
    "a layer that is not there": (
        lambda path: write_h5(path / "net.h5", functional("x", [
            input_layer((4, 4, 3)), layer("Activation", "act", "foto")], ["photo"], ["act"]), {}),
        "reads a layer 'foto' it does not have. Did you mean 'photo'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said(tmp_path, what):
    make, message = WRONG[what]
    path = make(tmp_path)
    with pytest.raises(NetworkFileError, match=message) as error:
        open_network(path)
    assert "\n" not in str(error.value)


def test_weights_that_are_another_models_are_told(tmp_path):
    path = tmp_path / "net.h5"
    write_h5(path, small(2), {**small_weights(), "prob": []})
    with pytest.raises(
        WeightsMismatch, match=r"has weights for 1 layers \('conv'\), the model has 2 with any"
    ):
        open_network(path)
    write_h5(path, small(2), {**small_weights(), "prob": [("prob/kernel:0", DENSE)]})
    with pytest.raises(WeightsMismatch, match="'prob' has 1 arrays of weights, the model's 'prob' needs 2"):
        open_network(path)
    write_h5(path, small(2), {**small_weights(), "conv": [("kernel:0", BIAS), ("bias:0", BIAS)]})
    with pytest.raises(WeightsMismatch, match=r"'conv.kernel' cannot have the shape 4"):
        open_network(path)
    datasets = groups_of_keras_3()
    del datasets["layers/dense/vars/1"]
    with pytest.raises(
        WeightsMismatch, match="no 'layers/dense/vars/1', which holds the bias of layer 'prob'"
    ):
        open_network(write_keras(tmp_path / "net.keras", small(3), datasets))


def test_a_lambda_is_never_run_but_can_be_taught(tmp_path):
    from convscope.formats.caffe.layers import register_layer

    layers = [
        input_layer((4, 4, 3)),
        layer("Lambda", "scaled", "photo", function=["YwBBBB", None, None], arguments={"factor": 3.0}),
        layer("MyOwn", "mine", "scaled", gain=2.0, units=4),
    ]
    weights = {"photo": [], "scaled": [], "mine": [("mine/offset:0", np.float32([1, 2, 3]))]}
    path = write_h5(tmp_path / "net.h5", functional("x", layers, ["photo"], ["mine"]), weights)
    with pytest.raises(
        UnsupportedLayer, match=r"layer 'scaled' runs Python code .* register_layer\('Lambda:scaled', "
    ):
        open_network(path)
    register_layer("Lambda:scaled", lambda x, factor: x.flip(-1) * factor)
    cut = r"layer 'mine' has the type 'MyOwn'.*register_layer\('MyOwn', function\).* 'mine' is cut off"
    with pytest.warns(ConvscopeWarning, match=cut):
        assert open_network(path).graph.outputs == ("scaled",)
    register_layer("MyOwn", lambda x, gain, offset: x * gain + offset, roles=["offset"])
    x = torch.from_numpy(normal(1, 4, 4, 3))
    found = open_network(path).activations(x, "mine")["mine"]
    torch.testing.assert_close(found, x.flip(-1) * 6 + torch.tensor([1.0, 2.0, 3.0]))


def test_a_saved_network_is_the_same(tmp_path):
    network = open_network(write_h5(tmp_path / "two.h5", small(2), small_weights()))
    network.save(tmp_path / "two.convscope")
    again = open_network(tmp_path / "two.convscope")
    for name, value in network.activations(X).items():
        assert torch.equal(again.activations(X, name)[name], value)
