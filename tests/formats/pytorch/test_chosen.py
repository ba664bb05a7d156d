"""What a mask of live truths picks: written back, summed, averaged; its values and gradients are torch's own."""

import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from convscope import open_network
from convscope.errors import ConvscopeWarning


class Picking(nn.Module):
    """A convolution, and then what picks by its own answers."""

    def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.conv, self.act = nn.Conv2d(3, 4, 3, padding=1), act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))


def _scaled(x: Tensor) -> Tensor:
    y = x.clone()
    y[y < 0] *= -0.5
    return y


def _taken_away(x: Tensor) -> Tensor:
    y = x.clone()
    y[x.abs() > 0.5] -= x.flip(1)[x.abs() > 0.5]  # the mask is worked out twice
    return y


def _root(x: Tensor) -> Tensor:
    """Where nothing is picked, the root's gradient would be none; near 0 it would be what x is rounded to."""
    y = torch.zeros_like(x)
    y[x > 0.02] = x[x > 0.02].sqrt().clamp(max=0.9)
    return y


def _huber(x: Tensor) -> Tensor:
    loss, near = x * 1, x.abs() < 0.4
    loss[near], loss[~near] = 0.5 * x[near] ** 2, x[~near].abs() - 0.5
    return loss


def _centered(x: Tensor) -> Tensor:
    y, high = x * 1, x > 0.1
    y[high] = x[high] - x[high].mean()
    return y * x.masked_select(high).sum()


def _rows(x: Tensor) -> Tensor:
    y = x.permute(0, 2, 3, 1)
    bright, out = y.sum(-1) > 0, torch.zeros(x.shape[0], *x.shape[2:], 3)
    out[bright] = F.linear(y[bright] * torch.arange(4.0), torch.arange(12.0).view(3, 4)) + torch.ones(1, 3)
    return out - y[bright].mean()


def _several_times(x: Tensor) -> Tensor:
    y = x * 2
    for level in range(3):
        between = (y > level) & (y < level + 1)
        y[between] = y[between] * (level + 1) - level
    return y


@pytest.mark.parametrize("act", [_scaled, _taken_away, _root, _huber, _centered, _rows, _several_times])
def test_values_and_gradients_are_torchs(act: Callable[[Tensor], Tensor]) -> None:
    module = Picking(act).eval()
    network = open_network(module, input_shape=(1, 3, 9, 9))
    assert not network.graph.cut
    name = network.graph.outputs[0]
    for size in ((9, 9), (6, 11)):
        picture = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(size[0])).requires_grad_()
        expected = module(picture)
        found = network.activations(picture.detach(), name)[name]
        torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)
        (gradient,) = torch.autograd.grad(expected.sum(), picture)
        torch.testing.assert_close(network.gradient(picture.detach(), name), gradient, rtol=1e-3, atol=1e-4)


class Experts(nn.Module):
    """A mixture of experts: each sees the places that the gate gives it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.conv, self.gate = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 3)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(8, 5), nn.GELU(), nn.Linear(5, 8)) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        places = self.conv(x).flatten(2).mT.reshape(-1, 8)
        shares, chosen = self.gate(places).softmax(-1).topk(2)
        mixed = torch.zeros_like(places)
        for number, expert in enumerate(self.experts):
            mine = (chosen == number).any(-1)
            share = (shares * (chosen == number)).sum(-1, keepdim=True)
            mixed[mine] += expert(places[mine]) * share[mine]
        return mixed


def test_experts_are_computed_and_have_no_address_of_what_a_mask_picks() -> None:
    module = Experts().eval()
    network = open_network(module, input_shape=(1, 3, 12, 16))
    assert not network.graph.cut and not {"experts.0", "experts.0.0", "experts.0.1"} & {*network.layers}
    (name,) = network.graph.outputs
    for shape in ((1, 3, 12, 16), (3, 3, 20, 8)):
        pictures = torch.randn(shape, generator=torch.Generator().manual_seed(5)).requires_grad_()
        expected = module(pictures)
        torch.testing.assert_close(network.activations(pictures.detach(), name)[name], expected.detach())
        (gradient,) = torch.autograd.grad(expected.sum(), pictures)
        torch.testing.assert_close(network.gradient(pictures.detach(), name), gradient, rtol=1e-3, atol=1e-5)


REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "given": (lambda x: x[x > 0], "gives, or counts, what a mask picks"),
    "counted": (lambda x: x[x > 0].sum() / len(x[x > 0]), "gives, or counts, what a mask picks"),
    "sorted": (lambda x: x[x > 0].sort()[0], "'sort' on what a mask picks"),
    "largest": (lambda x: x / x[x > 0].max(), "'max' on what a mask picks"),
    "the first": (lambda x: x * x.masked_select(x > 0)[:1], "'getitem' on what a mask picks"),
    "averaged over rows": (lambda x: x.mT[x.mT > 0].mean(0), "'mean' on what a mask picks"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_depends_on_how_many_are_picked_is_cut_and_said(name: str) -> None:
    act, words = REFUSED[name]
    with pytest.warns(ConvscopeWarning, match=re.escape(words)):
        network = open_network(Picking(act).eval(), input_shape=(1, 3, 8, 8))
    assert list(network.activations(torch.randn(1, 3, 8, 8), "conv")) == ["conv"]


def test_what_is_written_where_another_mask_holds_is_cut_and_said() -> None:
    def act(x: Tensor) -> Tensor:
        y, picked = x * 1, x[x > 0]
        y *= -1
        y[y > 0] = picked
        return y

    with pytest.warns(ConvscopeWarning, match="written where another one holds"):
        open_network(Picking(act).eval(), input_shape=(1, 3, 8, 8))
