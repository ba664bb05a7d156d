"""The ascent: known features come out, pictures do not mix, best is kept, troubles are told."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from convscope.errors import ConvscopeWarning, InputError
from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.optimization.ascent import AscentStep, CannotAscend, ascend
from convscope.optimization.canvases.fourier import Fourier
from convscope.optimization.canvases.painting import Painting
from convscope.optimization.canvases.pixels import Pixels
from convscope.optimization.objective import Objective
from convscope.optimization.objectives import channel, custom, diversity, layer, unit
from convscope.optimization.optimizers import LBFGS, GradientAscent, Optimizer
from convscope.optimization.settings import Generators, Settings
from convscope.optimization.transforms import Jitter, Rotate, Together
from planted import FEATURES, planted_network

SETTINGS = Settings(Painting(Fourier()), rate=0.1, steps=24, size=(32, 32))
PLAIN = replace(SETTINGS, canvas=Painting(Pixels()))
MOVED = replace(SETTINGS, transforms=(Together((Jitter(4), Rotate((-5, 0, 5)))),))


def last(network: Network, objectives: list[Objective], settings: Settings, seeds: list[int]) -> AscentStep:
    *_, step = ascend(network, objectives, settings, seeds=seeds)
    return step


def test_a_color_filter_gets_its_color_and_an_edge_filter_its_edges() -> None:
    network = planted_network()
    names = [f"conv1:{FEATURES.index(name)}" for name in ("red", "green", "blue", "horizontal edge")]
    best = last(network, [unit(network, name) for name in names], PLAIN, [0, 1, 2, 3]).best()
    means = best.mean((2, 3))
    for color in range(3):
        assert means[color].argmax() == color
        assert means[color, color] > 0.8
    edges = best[3].mean(0)
    assert edges.diff(dim=0).abs().mean() > 3 * edges.diff(dim=1).abs().mean()


def test_a_class_looks_like_its_color() -> None:
    network = planted_network()
    best = last(network, [unit(network, "prob:green")], SETTINGS, [0]).best()
    assert best.mean((0, 2, 3)).argmax() == 1
    assert network.best_classes(best[0].permute(1, 2, 0).numpy(), top=1)[0][0] == 1


@pytest.mark.parametrize("settings", [SETTINGS, MOVED], ids=["still", "moved"])
@pytest.mark.parametrize("optimizer", [None, GradientAscent("rms"), LBFGS(4)], ids=repr)
def test_a_picture_in_a_batch_is_the_picture_alone(settings: Settings, optimizer: Optimizer | None) -> None:
    network = planted_network()
    settings = replace(settings, steps=8, optimizer=optimizer or settings.optimizer)
    names = ["conv1:0", "conv1:4", "conv1:7", "conv2", "conv2:1@3,4"]
    objectives = [unit(network, name) for name in names]
    batch = last(network, objectives, settings, [5, 6, 7, 8, 9])
    for index, objective in enumerate(objectives):
        alone = last(network, [objective], settings, [5 + index])
        torch.testing.assert_close(batch.best()[index], alone.best()[0], rtol=0, atol=2e-5)
        torch.testing.assert_close(batch.values[index], alone.values[0], rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_picture_and_another_another() -> None:
    network = planted_network()
    one, again, other = (last(network, [unit(network, "conv2:1")], MOVED, [seed]) for seed in (1, 1, 2))
    assert torch.equal(one.best(), again.best())
    assert not torch.equal(one.best(), other.best())


def test_a_state_goes_on_exactly_where_it_was() -> None:
    network = planted_network()
    objectives = [unit(network, name) for name in ("conv1:3", "conv2:0")]
    whole = last(network, objectives, MOVED, [1, 2])
    states = [
        {name: value.clone() for name, value in step.state().items()}
        for step in ascend(network, objectives, MOVED, seeds=[1, 2])
        if step.index == 11
    ]
    *_, resumed = ascend(network, objectives, MOVED, seeds=[1, 2], resume=states[0])
    assert resumed.index == whole.index
    assert torch.equal(resumed.best(), whole.best())
    assert torch.equal(resumed.values, whole.values)


def test_steps_tell_values_norms_and_time() -> None:
    network = planted_network()
    steps = list(
        ascend(network, [unit(network, "conv1:0"), unit(network, "conv1:1")], SETTINGS, seeds=[0, 1])
    )
    assert [step.index for step in steps] == list(range(1, 25))
    assert all(step.of == 24 and step.seconds > 0 for step in steps)
    assert steps[-1].values.shape == steps[-1].gradient_norms.shape == (2,)
    assert (steps[-1].values > steps[0].values).all()
    assert steps[-1].pictures().shape == (2, 3, 32, 32)


def test_the_gradient_norm_is_that_of_the_canvas() -> None:
    network = planted_network()
    objective, settings = (
        unit(network, "conv2:2"),
        replace(SETTINGS, canvas=Painting(Pixels(deviation=1)), steps=1),
    )
    step = last(network, [objective], settings, [3])
    numbers = settings.canvas.start(1, 3, (32, 32), [torch.Generator().manual_seed(3)])[0].requires_grad_()
    assert network.input_spec is not None
    eaten = network.input_spec.from_rgb(settings.canvas.paint((numbers,), (32, 32)))
    value = network.activations(eaten, "conv2:2")["conv2:2"].mean()
    (gradient,) = torch.autograd.grad(value, numbers)
    assert step.values[0] == pytest.approx(value.item(), rel=1e-5)
    assert step.gradient_norms[0] == pytest.approx(gradient.norm().item(), rel=1e-4)


def too_far(step: int) -> float:
    return 0.1 if step < 12 else -1.0


def test_the_best_iterate_is_kept() -> None:
    network = planted_network()
    settings = replace(SETTINGS, rate=too_far)
    *_, step = ascend(network, [unit(network, "conv1:0")], settings, seeds=[0])
    kept = [
        network.activations(network.preprocess(picture), "conv1:0")["conv1:0"].mean()
        for picture in shown(step)
    ]
    assert kept[0] > 2 * kept[1]
    assert torch.equal(
        last(network, [unit(network, "conv1:0")], replace(settings, keep="last"), [0]).best(), step.pictures()
    )


def shown(step: AscentStep) -> list[object]:
    return [pictures[0].permute(1, 2, 0).numpy() for pictures in (step.best(), step.pictures())]


def test_a_plateau_stops_the_picture_and_then_the_ascent() -> None:
    network = planted_network()
    settings = replace(SETTINGS, rate=too_far, steps=200, patience=5)
    steps = list(ascend(network, [unit(network, "conv1:0")], settings, seeds=[0]))
    assert len(steps) < 40
    endless = replace(settings, patience=None)
    together = [unit(network, "conv1:0"), unit(network, "conv1:1")]
    torch.testing.assert_close(last(network, together, settings, [0, 1]).best()[0], steps[-1].best()[0])
    assert len(list(ascend(network, together, endless, seeds=[0, 1]))) == 200


def test_penalties_are_taken_away_and_edits_done_after_the_step() -> None:
    network = planted_network()

    def dark(pictures: Tensor) -> Tensor:
        return 100 * pictures.flatten(1).mean(1)

    def cleared(pixels: Tensor, gradient: Tensor, step: int) -> Tensor:
        assert gradient.shape == pixels.shape
        return pixels * (step < 24)

    objective = unit(network, "conv1:0")
    assert last(network, [objective], replace(SETTINGS, penalties=(dark,)), [0]).best().mean() < 0.4
    edited = replace(SETTINGS, canvas=Painting(Pixels()), edits=(cleared,))
    assert torch.equal(last(network, [objective], edited, [0]).pictures(), torch.full((1, 3, 32, 32), 0.5))


def test_diversity_makes_pictures_of_one_channel_different() -> None:
    network = planted_network()
    plain = channel("conv1", 5)
    spread = plain + 5 * diversity("conv1")
    seeds = [0, 1, 2]
    alike = last(network, [plain] * 3, PLAIN, seeds).best()
    unlike = last(network, [spread] * 3, PLAIN, seeds).best()
    assert distance(unlike) > 2 * distance(alike)


def distance(pictures: Tensor) -> float:
    colors = pictures.mean((2, 3))
    return float(torch.cdist(colors, colors).sum())


def test_nan_stops_one_picture_with_its_cause_and_not_the_others() -> None:
    network = planted_network()
    steps = iter(range(1000))

    def failing(value: Tensor) -> Tensor:
        return value.flatten(1).mean(1) * (float("nan") if next(steps) >= 5 else 1)

    objectives = [custom("conv1:0", failing, "failing"), unit(network, "conv1:1")]
    with pytest.warns(
        ConvscopeWarning, match=r"failing stopped after 5 of 24 steps, with the best so far: its objective"
    ):
        step = last(network, objectives, SETTINGS, [0, 1])
    assert step.best().isfinite().all()
    torch.testing.assert_close(step.best()[1], last(network, [objectives[1]], SETTINGS, [1]).best()[0])


def test_a_unit_without_numbers_fails_alone() -> None:
    network = planted_network()
    hopeless = custom("conv1:0", lambda value: value.flatten(1).mean(1) * float("nan"), "hopeless")
    fine = unit(network, "conv1:1")
    with pytest.warns(ConvscopeWarning, match="hopeless cannot be ascended: its objective or its gradient"):
        step = last(network, [hopeless, fine], SETTINGS, [0, 1])
    assert step.failed.tolist() == [True, False]
    torch.testing.assert_close(step.best()[1], last(network, [fine], SETTINGS, [1]).best()[0])
    with pytest.raises(CannotAscend, match="hopeless cannot be ascended"):
        last(network, [hopeless], SETTINGS, [0])


def test_a_unit_without_a_gradient_in_numbers_is_no_noise_that_passes_for_a_picture() -> None:
    network = planted_network()
    # The root of zero is a number, and its slope is infinite.
    steep = custom("conv1:0", lambda value: (value - value.detach()).flatten(1).mean(1).abs().sqrt(), "steep")
    with pytest.raises(CannotAscend, match="steep cannot be ascended: its objective or its gradient"):
        last(network, [steep], SETTINGS, [0])


def test_a_network_that_answers_infinity_is_told_by_layer() -> None:
    network = planted_network()
    wrong = Operation("power", "explode", "Power", ("conv1",), ("exploded",), attributes={"power": -1.0})
    graph = replace(network.graph, operations=(*network.graph.operations, wrong))
    broken = Network(graph, input_spec=network.input_spec)
    with pytest.raises(InputError, match=r"'exploded' \(Power\) answers infinity"):
        list(ascend(broken, [layer("exploded", "mean")], SETTINGS, seeds=[0]))


def test_a_rate_too_large_is_told() -> None:
    network = planted_network()

    def burst(pixels: Tensor, gradient: Tensor, step: int) -> Tensor:
        return pixels * (float("nan") if step == 3 else 1)

    settings = replace(SETTINGS, canvas=Painting(Pixels(1.0)), edits=(burst,))
    with pytest.warns(ConvscopeWarning, match="picture itself holds NaN or infinity: a smaller rate"):
        step = last(network, [unit(network, "conv1:0")], settings, [0])
    assert step.best().isfinite().all()


def test_any_function_is_a_transform_and_each_picture_has_its_own_chances() -> None:
    network = planted_network()
    drawn: list[list[float]] = []

    def recorded(pictures: Tensor, generators: Generators) -> Tensor:
        drawn.append([torch.rand((), generator=generator).item() for generator in generators])
        return pictures

    settings = replace(SETTINGS, transforms=(recorded,), steps=3)
    last(network, [unit(network, "conv1:0")] * 3, settings, [4, 5, 4])
    assert all(first == third != second for first, second, third in drawn)


def test_a_picture_can_be_the_start() -> None:
    network = planted_network()
    start = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    settings = replace(SETTINGS, rate=1e-6, steps=1)
    *_, step = ascend(network, [unit(network, "conv1:0")], settings, seeds=[0], start=start)
    torch.testing.assert_close(step.pictures(), start, rtol=0, atol=1e-3)


def test_gray_networks_get_gray_pictures() -> None:
    network = planted_network()
    weights = {"conv1.weight": network.parameters["conv1.weight"].sum(1, keepdim=True)}
    graph = network.graph
    parameters = replace_parameters(graph.parameters, weights)
    inputs = {"data": (1, 1, 32, 32)}
    assert network.input_spec is not None
    gray = Network(
        replace(graph, inputs=inputs, parameters=parameters),
        input_spec=network.input_spec.replace(channel_order="GRAY"),
    )
    best = last(gray, [unit(gray, "conv1:0")], PLAIN, [0]).best()
    assert best.shape == (1, 1, 32, 32)
    assert best.mean() > 0.8


def replace_parameters(parameters: object, changes: dict[str, Tensor]) -> object:
    from convscope.network.parameters import Parameters

    assert isinstance(parameters, Parameters)
    values = {key: changes.get(key, parameters[key]) for key in parameters}
    return Parameters({key: tuple(value.shape) for key, value in values.items()}, values.__getitem__)
