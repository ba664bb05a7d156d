"""Only what a covered window reaches runs again: the same answers as of the whole network, whatever it is made of."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope
from convscope.attribution import changed_parts
from convscope.attribution.changed_parts import Axis, Box, ChangedParts
from convscope.attribution.occlusion import windows
from convscope.attribution.perturbation import covered_numbers, masked_numbers, outside
from convscope.attribution.target import AttributionTarget, target_of
from convscope.network.graph import Graph
from convscope.network.parameters import Shape
from convscope.network.receptive_field import ReceptiveField
from planted import planted_network

SIZE = (97, 83)


class Branches(nn.Module):
    """Filters of several sizes side by side, strides, pools, normalizations, a residual."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.first, self.norm = nn.Conv2d(3, 6, 7, 2, 3), nn.BatchNorm2d(6)
        self.norm.running_mean, self.norm.running_var = torch.rand(6), torch.rand(6) + 0.5
        self.fine, self.wide = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 5, 5, padding=2)
        self.far = nn.Conv2d(6, 3, (3, 1), padding=(2, 0), dilation=2)
        self.pool, self.damping = nn.MaxPool2d(3, 2, 1), nn.LocalResponseNorm(5)
        self.mean, self.slope = nn.AvgPool2d(2, 2, padding=1), nn.PReLU(12)
        self.same, self.scores = nn.Conv2d(12, 12, 3, padding="same"), nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.damping(self.pool(self.norm(self.first(x)).relu()))
        x = self.slope(torch.cat([self.fine(x), self.wide(x), self.far(x)], 1))
        x = torch.relu(x + self.same(x)) * 0.7
        scores: Tensor = self.scores(self.mean(x).tanh().mean((2, 3)))
        return scores


class Placed(nn.Module):
    """What is added at each place is another number: a crop is not enough."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.first, self.second, self.scores = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 5, 3, 2), nn.Linear(5, 4)
        self.places = nn.Parameter(torch.rand(1, 5, SIZE[0] - 2, SIZE[1] - 2))
        self.columns = nn.Parameter(torch.rand(SIZE[1] - 2))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x) + self.places) * self.columns
        scores: Tensor = self.scores(torch.relu(self.second(x)).mean((2, 3)))
        return scores


class Gated(Placed):
    """A gate that sees everything, and edges that mirror the picture."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(nn.functional.pad(x, (2, 1, 1, 2), mode="reflect")))
        x = x * torch.sigmoid(x.mean((2, 3), keepdim=True))
        scores: Tensor = self.scores(torch.relu(self.second(x)).mean((2, 3)))
        return scores


class Points(nn.Module):
    """Many filters of one position, some with a border, one with a stride, before those that see more."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(8)
        points = [nn.Conv2d(4, 4, 1, padding=int(number % 9 == 0)) for number in range(30)]
        self.first, last = nn.Conv2d(3, 4, 1, padding=2), nn.Conv2d(4, 4, 1)
        seeing = [nn.Conv2d(4, 4, 1, 2, 1), *points[20:], nn.Conv2d(4, 4, 3, padding=1)]
        self.layers = nn.Sequential(*points[:20], nn.Tanh(), *seeing, last, nn.Tanh())
        self.scores = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.scores(self.layers(self.first(x)).mean((2, 3)))
        return scores


def both(target: AttributionTarget, boxes: Sequence[Box]) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the parts that run again, and those of the whole network."""
    instead = torch.rand(target.input.shape, generator=torch.Generator().manual_seed(2))
    whole = masked_numbers(target, (outside(box, target.size) for box in boxes), instead, len(boxes))
    return covered_numbers(target, boxes, instead).numpy(), whole.numpy()


@pytest.mark.parametrize(("window", "stride"), [(17, 16), (11, 11), (23, 17)])
@pytest.mark.parametrize("make", [Branches, Placed, Gated, Points])
def test_a_part_is_worth_what_the_whole_network_says(
    make: Callable[[], nn.Module], window: int, stride: int
) -> None:
    network = convscope.open_network(make().eval(), input_shape=(1, 3, *SIZE))
    input = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    for wanted in (2, "first:3", {3: 1.0, 0: -0.5}):
        target = target_of(network, input, wanted)
        parts, whole = both(target, list(windows(SIZE, window, stride)))
        np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)
    stages = ChangedParts(target_of(network, input, 2), input, list(windows(SIZE, 5, 5))).stages
    assert len(stages) == {Branches: 5, Placed: 1, Gated: 0, Points: 2}[make]


def test_what_spreads_nothing_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with each further layer from the picture on again: that made minutes of a small file."""
    looked_at, real = [], changed_parts.receptive_fields

    def counted(graph: Graph, shapes: Mapping[str, Shape | None]) -> dict[str, ReceptiveField | None]:
        looked_at.extend(operation.name for operation in graph.operations)
        return real(graph, shapes)

    monkeypatch.setattr(changed_parts, "receptive_fields", counted)
    network = convscope.open_network(Points().eval(), input_shape=(1, 3, *SIZE))
    target = target_of(network, torch.rand(1, 3, *SIZE), 1)
    assert len(ChangedParts(target, target.input, [((0, 6), (4, 10))]).stages) == 2
    assert 34 == len(looked_at) == len(set(looked_at))  # nothing sees more behind them


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_part_of_either_order_of_axes(channels_last: bool) -> None:
    network = planted_network(channels_last=channels_last)
    pixels = np.random.default_rng(3).integers(0, 256, (32, 32, 3), np.uint8)
    target = target_of(network, pixels, "green")
    parts, whole = both(target, list(windows((32, 32), 6, 4)))
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-5)
    assert ChangedParts(target, target.input, [((0, 6), (4, 10))]).layer is not None


@pytest.mark.parametrize(
    ("size", "stride", "padding", "before"), [(7, 2, 3, 45), (3, 3, 1, 31), (1, 2, 0, 17)]
)
def test_positions_see_what_torch_lets_them_see(size: int, stride: int, padding: int, before: int) -> None:
    """A number that changes, and the answers that change with it: along one axis, every span."""
    filters = torch.rand(1, 1, size)
    numbers = torch.rand(1, 1, before, generator=torch.Generator().manual_seed(4))
    answers = nn.functional.conv1d(numbers, filters, stride=stride, padding=padding)
    axis = Axis(size, stride, padding, before, answers.shape[2])
    for begin in range(before - 4):
        changed = numbers.clone()
        changed[..., begin : begin + 4] += 1
        others = nn.functional.conv1d(changed, filters, stride=stride, padding=padding)
        reached = (others != answers).flatten().nonzero().flatten().tolist()
        first, last = axis.reached((begin, begin + 4))
        assert list(range(first, last)) == reached
        length = axis.crop_size([(first, last)])
        at = axis.crop((first, last), length)
        again = nn.functional.conv1d(changed[..., at : at + length], filters, stride=stride, padding=padding)
        shift = at // stride
        torch.testing.assert_close(again[..., first - shift : last - shift], others[..., first:last])
