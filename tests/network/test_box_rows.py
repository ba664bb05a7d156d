"""A detector's boxes: one number of one box, or one kind of number of all of them, is a quantity; the rest is none."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import convscope
from convscope.attribution.target import target_of
from convscope.errors import InputError
from convscope.measuring.plan import plan_measurement
from convscope.network.box_rows import numbers_of_a_box
from convscope.network.network import Network
from convscope.optimization.objectives import unit


class Boxes(nn.Module):
    """324 boxes of 12 numbers, box by box, or number by number as newer detectors have them."""

    def __init__(self, turned: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body, self.head, self.turned = nn.Conv2d(3, 5, 3, 2, 1), nn.Conv2d(5, 12, 1), turned
        self.out = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        numbers = self.head(torch.relu(self.body(x))).flatten(2)
        return self.out(numbers if self.turned else numbers.transpose(1, 2) * 2)


def detector(turned: bool) -> Network:
    return convscope.open_network(Boxes(turned).eval(), input_shape=(1, 3, 36, 36))


@pytest.mark.parametrize(
    ("turned", "refused", "explained"),
    [
        (False, {"": "the boxes", ":7": "one box"}, {":7@4": lambda out: out[0, 7, 4]}),
        (True, {"": "the boxes"}, {":4": lambda out: out[0, 4].mean(), ":4@7": lambda out: out[0, 4, 7]}),
    ],
)
def test_what_is_of_no_one_quantity_is_refused(
    turned: bool, refused: dict[str, str], explained: dict[str, Callable[[Tensor], Tensor]]
) -> None:
    network = detector(turned)
    (output,) = network.outputs
    assert output.role == "boxes" and numbers_of_a_box(network, output.value) == (1 if turned else 2, 12)
    input = torch.rand(1, 3, 36, 36, generator=torch.Generator().manual_seed(0))
    for address, what in refused.items():
        words = f"{output.value}{address} is {what} of a detector: 12 numbers of different kinds"
        with pytest.raises(InputError, match=words):
            target_of(network, input, f"{output.value}{address}")
        if address:
            with pytest.raises(InputError, match=words):
                unit(network, f"{output.value}{address}")
    answer = Boxes(turned).eval()(input).detach()
    for address, number in explained.items():
        found = target_of(network, input, f"{output.value}{address}").score
        assert found == pytest.approx(float(number(answer)), abs=1e-5)
        unit(network, f"{output.value}{address}")


def test_boxes_are_no_units_to_measure() -> None:
    network = detector(turned=False)
    box = network.outputs[0].value
    assert box not in [layer.name for layer in plan_measurement(network).layers]
    with pytest.raises(InputError, match="has no channels to measure, but the boxes of a detector"):
        plan_measurement(network, [box])
    turned = detector(turned=True)
    assert turned.outputs[0].value in [layer.name for layer in plan_measurement(turned).layers]
