"""Units that get no gradient: rescued one by one, whatever their ReLU, and told where nothing helps."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations.redirected_relu import redirected_clip
from convscope.network.parameters import Parameters
from convscope.optimization.ascent import AscentStep, ascend
from convscope.optimization.canvases.painting import Painting
from convscope.optimization.canvases.pixels import Pixels
from convscope.optimization.objective import Objective
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.objectives import unit
from convscope.optimization.rescue import PATIENCE, with_redirected_relus
from convscope.optimization.settings import Settings
from convscope.optimization.verdict import judge
from planted import FEATURES, planted_network

SETTINGS = Settings(Painting(Pixels()), rate=0.1, steps=40, size=(32, 32))
SLEEPY = "conv1:0"  # red, which answers to a strong red only
RELUS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("relu", {}),
    "relu6": ("clip", {"minimum": 0.0, "maximum": 6.0}),
    "leaky": ("relu", {"negative_slope": 0.01}),
}


def sleepy_network(kind: str = "relu", in_place: bool = True, bias: float = -0.8) -> Network:
    """A planted network whose red, green and blue filters get no gradient from a gray picture."""
    network = planted_network()
    operation, attributes = RELUS[kind]
    operations = tuple(
        replace(step, kind=operation, attributes=attributes, in_place=in_place)
        if step.kind == "relu"
        else step
        for step in network.graph.operations
    )
    changed = {"conv1.bias": network.parameters["conv1.bias"].clone()}
    changed["conv1.bias"][:3] = bias
    values = {key: changed.get(key, network.parameters[key]) for key in network.parameters}
    parameters = Parameters({key: tuple(value.shape) for key, value in values.items()}, values.__getitem__)
    graph = replace(network.graph, operations=operations, parameters=parameters)
    return Network(graph, input_spec=network.input_spec, labels=network.labels)


def last(network: Network, objectives: list[Objective], settings: Settings, seeds: list[int]) -> AscentStep:
    *_, step = ascend(network, objectives, settings, seeds=seeds)
    return step


@pytest.mark.parametrize("kind", RELUS)
@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "apart"])
def test_a_sleeping_unit_is_woken(kind: str, in_place: bool) -> None:
    network = sleepy_network(kind, in_place)
    step = last(network, [unit(network, SLEEPY)], SETTINGS, [0])
    assert step.best()[0, 0].mean() > 0.9
    (verdict,) = judge(objective_batch(network, [unit(network, SLEEPY)]), step.best())
    assert verdict.activated


def test_a_unit_behind_two_sleeping_layers_is_woken() -> None:
    network = sleepy_network()
    step = last(network, [unit(network, "conv2:0")], SETTINGS, [0])
    assert step.best()[0].mean((1, 2)).argmax() == 0
    (verdict,) = judge(objective_batch(network, [unit(network, "conv2:0")]), step.best())
    assert verdict.activated


def test_one_live_picture_does_not_switch_the_rescue_off_for_the_dead() -> None:
    # captum's redirected ReLU decided on the whole batch.
    network = sleepy_network()
    live = f"conv1:{FEATURES.index('vertical edge')}"
    objectives = [unit(network, name) for name in (live, SLEEPY, live)]
    step = last(network, objectives, SETTINGS, [0, 1, 2])
    assert step.best()[1, 0].mean() > 0.9
    for index in (0, 1, 2):
        alone = last(network, [objectives[index]], SETTINGS, [index])
        torch.testing.assert_close(step.best()[index], alone.best()[0], rtol=0, atol=2e-3)


def test_what_nothing_rouses_is_given_up_and_told() -> None:
    network = planted_network()
    dead = f"conv1:{FEATURES.index('dead')}"
    settings = replace(SETTINGS, steps=500)
    steps = list(ascend(network, [unit(network, dead)], settings, seeds=[0]))
    assert len(steps) <= 2 * PATIENCE + 1
    (verdict,) = judge(objective_batch(network, [unit(network, dead)]), steps[-1].best())
    assert not verdict.activated
    assert str(verdict) == "this unit could not be activated"


def test_a_photograph_is_tried_where_redirecting_does_not_help() -> None:
    # The threshold lets no gradient through and is no ReLU that could be redirected.
    network = planted_network()
    step = Operation("threshold", "on", "Threshold", ("conv1",), ("on",), attributes={"threshold": 0.2})
    graph = replace(network.graph, operations=(*network.graph.operations, step))
    network = Network(graph, input_spec=network.input_spec)
    objective = unit(network, f"on:{FEATURES.index('horizontal edge')}")
    settings = replace(SETTINGS, steps=PATIENCE + 2)
    (verdict,) = judge(
        objective_batch(network, [objective]), last(network, [objective], settings, [0]).best()
    )
    assert verdict.activated


def test_redirected_networks_answer_as_before() -> None:
    for kind in RELUS:
        network = sleepy_network(kind)
        input = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        for name, value in with_redirected_relus(network).activations(input).items():
            torch.testing.assert_close(value, network.activations(input, name)[name])


def test_the_redirected_gradient_is_decided_picture_by_picture() -> None:
    input = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, 2.0, -3.0]], requires_grad=True)
    wanted = torch.tensor([[1.0, -1.0, 0.5], [1.0, -1.0, 0.5]])
    (gradient,) = torch.autograd.grad(redirected_clip(input), input, wanted)
    # The first picture is blocked: what pushes up goes through. The second is not: the ordinary gradient.
    assert gradient.tolist() == [[1.0, 0.0, 0.5], [0.0, -1.0, 0.0]]


def test_a_saturated_relu6_is_redirected_from_above() -> None:
    input = torch.tensor([[7.0, 8.0]], requires_grad=True)
    wanted = torch.tensor([[1.0, -1.0]])
    (gradient,) = torch.autograd.grad(redirected_clip(input, minimum=0.0, maximum=6.0), input, wanted)
    assert gradient.tolist() == [[0.0, -1.0]]
