"""Networks saved as ONNX: onnxruntime gives the same values, and so does the file opened again."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from convscope import open_network
from convscope.errors import InputError
from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.network.parameters import Parameters

from .oracle import every_value


def assert_saved(network, path, *shapes):
    """Save, and hold every value against onnxruntime and against the file opened again, at each input shape."""
    network.save(path)
    model, again = onnx.load(path), open_network(path)
    onnx.checker.check_model(model)
    values = [value for value in network.graph.producers if value not in network.graph.constants]
    (name,) = network.graph.inputs
    for shape in shapes or (network.graph.inputs[name],):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        expected = network._runner.run(torch.from_numpy(x), tuple(values))
        reopened = again._runner.run(torch.from_numpy(x), tuple(values))
        for value, found in every_value(model, values, {name: x}).items():
            ours = expected[value].numpy()
            assert found.shape == ours.shape, value
            np.testing.assert_allclose(found, ours, rtol=1e-4, atol=3e-5 * np.abs(ours).max(), err_msg=value)
            np.testing.assert_allclose(
                reopened[value].numpy(), ours, rtol=1e-4, atol=3e-5 * np.abs(ours).max()
            )
    return model, again


def test_the_builtin_network_at_any_size(tmp_path) -> None:
    network = open_network("builtin")
    model, again = assert_saved(network, tmp_path / "net.onnx", (1, 3, 64, 64), (2, 3, 96, 80))
    sizes = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, "height", "width"]
    assert again.input_spec.sha256 == network.input_spec.sha256
    assert (again.labels, list(again.layers)[-1]) == (network.labels, list(network.layers)[-1])


def weights(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def graph_of(*steps, shape=(1, 4, 8, 8), channels_last=False):
    """Return a chain: each step is (kind, parameters, attributes)."""
    operations, tensors, before = [], {}, "x"
    for index, (kind, parameters, attributes) in enumerate(steps):
        keys = {role: f"{kind}{index}.{role}" for role in parameters}
        tensors |= {keys[role]: tensor for role, tensor in parameters.items()}
        name = f"{kind}{index}"
        attributes = {**attributes, "channels_last": True} if channels_last else attributes
        operations.append(Operation(kind, name, kind, (before,), (name,), keys, attributes))
        before = name
    parameters = Parameters(
        {key: tuple(tensor.shape) for key, tensor in tensors.items()}, tensors.__getitem__
    )
    return Graph("chain", {"x": shape}, tuple(operations), (before,), parameters, channels_last=channels_last)


CAFFE = (
    ("convolution", {"weight": weights(0, 6, 2, 3, 3), "bias": weights(1, 6)}, {"groups": 2, "padding": 1}),
    ("lrn_across_channels", {}, {"size": 5, "alpha": 1e-2, "beta": 0.75, "k": 2.0}),
    ("max_pool", {}, {"kernel": 3, "stride": 2}),
    (
        "batch_norm",
        {"mean": weights(2, 6), "variance": weights(3, 6) ** 2, "scale_factor": torch.ones(1) * 2},
        {},
    ),
    ("scale", {"weight": weights(4, 6), "bias": weights(5, 6)}, {}),
    ("relu", {}, {"negative_slope": 0.1}),
    ("average_pool", {}, {"kernel": 3, "stride": 2, "padding": 1}),
    ("lrn_within_channel", {}, {"size": 3, "alpha": 0.5}),
    ("dense", {"weight": weights(6, 5, 54), "bias": weights(7, 5)}, {}),
    ("softmax", {}, {}),
)
POINTWISE = (
    ("swish", {}, {"beta": 1.5}),
    ("gelu", {}, {}),
    ("gelu", {}, {"approximate": "tanh"}),
    ("mish", {}, {}),
    ("hard_swish", {}, {}),
    ("elu", {}, {"alpha": 0.5}),
    ("prelu", {"weight": weights(0, 4)}, {}),
    ("power", {}, {"scale": 2.0, "shift": 0.5, "power": 2.0}),
    ("exp", {}, {"base": 2.0, "scale": 0.01}),
    ("divide", {}, {"number": 3.0, "swapped": True}),
    ("log", {}, {"base": 10.0, "shift": 1.0}),
    ("clip", {}, {"minimum": -1.0, "maximum": 6.0}),
    ("add", {"operand": weights(1, 4, 1, 1)}, {}),
    ("layer_norm", {"weight": weights(2, 8), "bias": weights(3, 8)}, {}),
    ("group_norm", {"weight": weights(4, 4), "bias": weights(5, 4)}, {"groups": 2}),
    ("deconvolution", {"weight": weights(6, 4, 8, 3, 3)}, {"stride": 2, "padding": (1, 0, 0, 1)}),
    ("depth_to_space", {}, {"block": 2}),
    ("pad", {}, {"padding": (1, 0, 2, 1), "mode": "reflect"}),
    ("resize", {}, {"shape": (0, 0, 9, 11), "interpolation": "linear"}),
    ("slice_steps", {}, {"starts": (1,), "ends": (-1,), "axes": (3,), "steps": (2,)}),
    ("softmax", {}, {"axis": 1, "to_the_end": True}),
    ("permute", {}, {"order": (0, 2, 3, 1)}),
    ("matmul", {"weight": weights(7, 5, 2)}, {"transpose": True}),
    ("reduce", {}, {"summary": "l2", "axes": (1, 2), "keep_axes": False}),
    ("unsqueeze", {}, {"axes": (2,)}),
    ("flatten", {}, {}),
)


def test_caffes_layers(tmp_path) -> None:
    graph = graph_of(*CAFFE, shape=(1, 4, 11, 11))
    assert_saved(Network(graph, input_spec=None), tmp_path / "net.onnx", (1, 4, 11, 11), (3, 4, 11, 11))


def test_layers_of_all_kinds(tmp_path) -> None:
    assert_saved(
        Network(graph_of(*POINTWISE), input_spec=None), tmp_path / "net.onnx", (1, 4, 8, 8), (2, 4, 8, 8)
    )


def test_channels_last_networks_keep_their_order(tmp_path) -> None:
    steps = (
        ("convolution", {"weight": weights(0, 6, 3, 3, 3)}, {"stride": 2, "padding": "same"}),
        ("relu", {}, {}),
        ("average_pool", {}, {"kernel": 2, "stride": 2, "padding": "same", "count_padding": False}),
    )
    graph = graph_of(*steps, shape=(1, 9, 8, 3), channels_last=True)
    spec = InputSpec((9, 8), layout="NHWC")
    assert_saved(Network(graph, input_spec=spec), tmp_path / "net.onnx", (1, 9, 8, 3), (2, 9, 8, 3))


@pytest.mark.parametrize("made", [("mvn", {}, {}), ("dynamic", {}, {"kind": "mvn", "roles": ()})])
def test_what_has_no_operator_is_named(made, tmp_path) -> None:
    graph = graph_of(made)
    with pytest.raises(InputError, match=r"no operator here for mvn .*save a \.convscope"):
        Network(replace(graph, name="odd"), input_spec=None).save(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["bvlc_googlenet", "squeezenet_v1.1"])
def test_real_networks(folder, shared_data, tmp_path) -> None:
    network = open_network(shared_data / "caffe" / folder)
    (shape,) = network.graph.inputs.values()
    assert_saved(network, tmp_path / "net.onnx", (1, *shape[1:]), (2, *shape[1:]))


class OfATen(nn.Module):
    """A network of PyTorch whose steps are ATen's: sizes as arithmetic, attention, enlarging, subscripts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.group, self.layer = nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.first = nn.Parameter(torch.ones(1, 1, 8))

    def forward(self, x):
        x = self.group(self.conv(x))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)  # channels shuffled
        x = F.max_pool2d(x, 3, 2, 1) + F.avg_pool2d(x, 2, 2, ceil_mode=True)
        y = F.interpolate(x, size=(h, w), mode="bilinear", align_corners=False)
        y = y + F.interpolate(F.interpolate(x, scale_factor=1.5, mode="bicubic"), size=y.shape[2:])
        y = torch.cat(y.chunk(2, 1)[::-1], 1)[:, :, 1:, ::2][..., None, :, 0]
        t = torch.cat([self.first.expand(n, -1, -1), self.layer(y.flatten(2).transpose(1, 2))], 1)
        t = t + self.attention(t, t, t, need_weights=False)[0]
        return torch.einsum("bid,bjd->bij", t, t * 2)[:, 0]


def test_what_pytorch_has_of_its_own(tmp_path) -> None:
    torch.manual_seed(0)
    network = open_network(OfATen().eval(), input_shape=(1, 3, 13, 13))
    kinds = {operation.attributes.get("operator") for operation in network.graph.operations}
    assert kinds >= {"scaled_dot_product_attention", "upsample_bilinear2d", "reshape", "expand", "einsum"}
    assert_saved(network, tmp_path / "net.onnx", (1, 3, 13, 13), (2, 3, 13, 13))


def test_a_network_of_one_size_is_a_file_of_one_size(tmp_path) -> None:
    graph = open_network(nn.Conv2d(3, 4, 3).eval(), input_shape=(1, 3, 9, 7)).graph
    (value,), (convolution,) = graph.inputs, graph.operations
    size = Operation("assert_shape", "size", "size", (value,), ("sized",), attributes={"shape": (3, 9, 7)})
    graph = replace(graph, operations=(size, replace(convolution, inputs=("sized",))))
    network = Network(graph, input_spec=None)
    assert_saved(network, tmp_path / "net.onnx", (1, 3, 9, 7), (2, 3, 9, 7))
    declared = onnx.load(tmp_path / "net.onnx").graph.input[0].type.tensor_type.shape.dim
    assert [axis.dim_param or axis.dim_value for axis in declared] == ["batch", 3, 9, 7]


def test_windows_that_reach_over_the_edge_as_torch_has_them(tmp_path) -> None:
    """Where the largest numbers lay, torch's second answer, is no value of the file."""
    network = open_network(nn.MaxPool2d(3, 2, 1, ceil_mode=True), input_shape=(1, 2, 6, 8))
    x = np.random.default_rng(0).normal(size=(2, 2, 6, 8)).astype(np.float32)
    model = onnx.load(network.save(tmp_path / "net.onnx"))
    (name,), output = network.graph.inputs, network.graph.outputs[0]
    (found,) = every_value(model, [output], {name: x}).values()
    np.testing.assert_array_equal(found, F.max_pool2d(torch.from_numpy(x), 3, 2, 1, ceil_mode=True))


def test_an_operator_of_torch_that_onnx_lacks_is_named(tmp_path) -> None:
    class Rolled(nn.Module):
        def forward(self, x):
            return x.roll(1, 2)

    network = open_network(Rolled(), input_shape=(1, 3, 8, 8))
    with pytest.raises(InputError, match=r"torch's roll has no operator here; save a \.convscope"):
        network.save(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
