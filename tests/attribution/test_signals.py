"""Evidence in signals, volumes and films: of a linear network each number's share is its weight times itself."""

import itertools

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

import convscope
from convscope.attribution.registry import METHODS
from convscope.cli import main
from convscope.errors import InputError

RNG = np.random.default_rng(5)
SHAPES = {
    "a signal": (1, 2, 19),
    "channels last": (1, 19, 2),
    "an only channel": (1, 19, 1),
    "a volume": (1, 1, 5, 6, 7),
    "a film": (1, 4, 6, 7, 3),
}
CHANNELS = {"a signal": 1, "channels last": 2, "an only channel": 2, "a volume": 1, "a film": 4}


def linear(shape, path):
    """Return a network of three classes, and the weights of each number for them."""
    weights = RNG.normal(size=(int(np.prod(shape)), 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return convscope.open_network(path), weights


@pytest.mark.parametrize("kind", SHAPES)
def test_each_numbers_share_is_its_weight_times_itself(kind, tmp_path) -> None:
    shape = SHAPES[kind]
    network, weights = linear(shape, tmp_path / "net.onnx")
    x = RNG.normal(size=shape).astype(np.float32)
    wanted = np.moveaxis(weights[:, 1].reshape(shape) * x, CHANNELS[kind], -1)[0]
    for found in (
        convscope.gradient_times_input(network, torch.from_numpy(x), "scores:1"),
        convscope.integrated_gradients(network, torch.from_numpy(x), "scores:1"),
        convscope.deep_lift(network, torch.from_numpy(x), "scores:1", baseline="zero"),
    ):
        np.testing.assert_allclose(found.values, wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.map, wanted.sum(-1), rtol=1e-4, atol=1e-5)
        assert "Red speaks for it" in found.picture().caption
    dependence = convscope.saliency(network, torch.from_numpy(x), "scores:1").map
    sizes = np.moveaxis(np.abs(weights[:, 1].reshape(shape)), CHANNELS[kind], -1)[0]
    np.testing.assert_allclose(dependence, sizes.max(-1), rtol=1e-5)


KINDS = {
    "a signal": ((1, 2, 40), torch.nn.Conv1d, torch.nn.MaxPool1d(2), torch.nn.AdaptiveAvgPool1d(1)),
    "a volume": ((1, 2, 6, 9, 7), torch.nn.Conv3d, torch.nn.MaxPool3d(2), torch.nn.AdaptiveAvgPool3d(1)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_layers_map_and_what_is_lost_under_a_cover_are_those_of_torch(kind) -> None:
    shape, convolution, pool, average = KINDS[kind]
    torch.manual_seed(2)
    parts = [convolution(2, 6, 3, padding=1), torch.nn.ReLU(), pool, convolution(6, 5, 2), torch.nn.ELU()]
    module = torch.nn.Sequential(*parts, average, torch.nn.Flatten(), torch.nn.Linear(5, 3)).eval()
    network, x = convscope.open_network(module, input_shape=shape), torch.randn(shape)
    with torch.enable_grad():
        answers = module[:5](x).detach().requires_grad_()
        (gradients,) = torch.autograd.grad(module[5:](answers)[0, 1], answers)
    places = tuple(range(2, x.dim()))
    wanted = (gradients.mean(places, keepdim=True) * answers).sum(1)[0].detach()
    found = convscope.grad_cam(network, x, "7:1")
    np.testing.assert_allclose(found.values, wanted, rtol=1e-4, atol=1e-6)
    assert found.map.shape == shape[2:]
    assert "of 4, each weighted" in found.how
    assert found.picture().array.size > 0
    without = [
        module[5:](answers * (torch.arange(5) != one).reshape(-1, *[1] * len(places)))[0, 1]
        for one in range(5)
    ]
    weights = (module(x)[0, 1] - torch.stack(without)).reshape(-1, *[1] * len(places)).detach()
    ablated = convscope.ablation_cam(network, x, "7:1", progress=False)
    np.testing.assert_allclose(ablated.values, (weights * answers[0].detach()).sum(0), rtol=1e-3, atol=1e-5)

    window, losses, covers = 3, np.zeros(shape[2:]), np.zeros(shape[2:])
    starts = [range(0, 2 * -(-(side - window) // 2) + 1, 2) for side in shape[2:]]
    for begins in itertools.product(*starts):
        covered, inside = x.clone(), tuple(slice(one, one + window) for one in begins)
        covered[(slice(None), slice(None), *inside)] = 0
        losses[inside] += (module(x)[0, 1] - module(covered)[0, 1]).item()
        covers[inside] += 1
    occluded = convscope.occlusion(network, x, "7:1", window=window, stride=2, progress=False)
    np.testing.assert_allclose(occluded.map, losses / covers, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "method", sorted(METHODS.keys() - {"relevance", "extremal_perturbation", "attention_rollout"})
)
def test_every_method_along_a_signal_has_a_number_for_each_of_its_steps(method, tmp_path) -> None:
    torch.manual_seed(4)
    filters = torch.nn.Conv1d(1, 4, 5), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool1d(1)
    module = torch.nn.Sequential(*filters, torch.nn.Flatten(), torch.nn.Linear(4, 3)).eval()
    network = convscope.open_network(module, input_shape=(1, 1, 30))
    x = RNG.normal(size=30).astype(np.float32)
    for name in ("x.npy", "X.NPY"):
        with (tmp_path / name).open("wb") as file:  # np.save would call it X.NPY.npy
            np.save(file, x)
    fewer = {"rise": {"samples": 8}, "shapley": {"samples": 1}}.get(method, {})
    maps = [
        getattr(convscope, method)(network, given, "4:2", progress=False, **fewer)
        for given in (torch.from_numpy(x)[None, None], tmp_path / "x.npy", str(tmp_path / "X.NPY"), x)
    ]
    assert maps[0].map.shape == (30,)
    assert np.ptp(maps[0].map) > 0
    for one in maps[1:]:
        np.testing.assert_array_equal(one.map, maps[0].map)


def test_a_signal_of_tokens_has_no_places_to_light() -> None:
    """What a dense layer answers for each step of a signal has its numbers where a filter's has the steps."""
    module = torch.nn.Sequential(
        torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(152, 3)
    )
    network = convscope.open_network(module.eval(), input_shape=(1, 19, 2))
    assert network.input_spec is None
    with pytest.raises(InputError, match="no layer with rows and columns"):
        convscope.grad_cam(network, torch.zeros(1, 19, 2), "3:1")


def test_a_signal_of_another_shape_says_which_is_expected(tmp_path) -> None:
    network, _ = linear(SHAPES["a signal"], tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"not an input of \(2, 2, 19\): linear expects {'x': \(1, 2, 19\)}"):
        convscope.saliency(network, torch.zeros(2, 2, 19), "scores:1")


def test_what_stands_out_in_a_signal_is_red_in_its_figure(tmp_path) -> None:
    network, weights = linear((1, 1, 60), tmp_path / "net.onnx")
    x = np.zeros((1, 1, 60), np.float32)
    x[0, 0, 40] = 5 * np.sign(weights[40, 0])  # one number alone speaks, and for it
    array = (
        convscope.gradient_times_input(network, torch.from_numpy(x), "scores:0").picture().array.astype(int)
    )
    red = (array[..., 0] > 150) & (array[..., 1] < 60) & (array[..., 2] < 80)
    columns = red.any(0).nonzero()[0]
    assert len(columns) > 5
    assert 0.6 < columns.mean() / array.shape[1] < 0.75


def test_methods_of_rows_and_columns_say_what_is_possible(tmp_path) -> None:
    network, _ = linear(SHAPES["a signal"], tmp_path / "net.onnx")
    for method in (convscope.extremal_perturbation, convscope.relevance, convscope.attention_rollout):
        with pytest.raises(InputError, match=r"for pictures, not for an input of .* is shown by saliency"):
            method(network, torch.zeros(1, 2, 19), "scores:1")


@pytest.mark.parametrize("kind", ["a signal", "a volume"])
def test_the_command_reads_a_numpy_file(kind, tmp_path) -> None:
    linear(SHAPES[kind], tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", RNG.normal(size=SHAPES[kind][1:]).astype(np.float32))
    given = [str(tmp_path / "net.onnx"), str(tmp_path / "x.npy"), "scores:2"]
    done = CliRunner().invoke(main, ["evidence", *given, "-o", str(tmp_path / "out.png")])
    assert done.exit_code == 0, done.output
    caption = convscope.Picture.open(tmp_path / "out.png").caption
    assert caption.startswith(
        "Integrated gradients of the score of class 2 (scores:2): the gradients at 32 steps"
    )
    done = CliRunner().invoke(main, ["evidence", *given, "--method", "relevance"])
    assert done.exit_code == 1
    assert "is shown by saliency" in done.output


@pytest.mark.parametrize("before", [None, torch.nn.BatchNorm1d(9), torch.nn.ReLU()])
def test_channels_that_filters_go_along_are_no_rows_of_a_picture(before) -> None:
    """Nine channels of 12 positions could be a gray picture, were they not read as a signal."""
    filters = torch.nn.Conv1d(9, 4, 3)
    module = torch.nn.Sequential(*([before] if before else []), filters).eval()
    network = convscope.open_network(module, input_shape=(1, 9, 12))
    assert network.input_spec is None
    x = torch.from_numpy(RNG.normal(size=(1, 9, 12)).astype(np.float32))
    assert convscope.saliency(network, x, f"{len(module) - 1}:2").map.shape == (12,)
    assert (
        convscope.open_network(torch.nn.Linear(12, 4).eval(), input_shape=(1, 9, 12)).input_spec is not None
    )
