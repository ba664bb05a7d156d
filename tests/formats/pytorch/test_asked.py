"""What a module asks a tensor for beside its numbers, and what no trace can follow: said, and never done otherwise."""

import random
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from convscope import open_network
from convscope.errors import ConvscopeWarning, UnsupportedLayer

Act = Callable[[Tensor], Tensor]


class Acting(nn.Module):
    """A convolution, and then what is to be followed."""

    def __init__(self, act: Act) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv, self.act = nn.Conv2d(3, 4, 3, padding=1), act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))


def _caught(x: Tensor) -> Tensor:
    try:
        return x * float(x.mean())
    except RuntimeError:
        return x * 7


def _flags(x: Tensor) -> Tensor:
    odd = x.is_meta or x.is_cuda or not x.is_cpu or x.requires_grad or x.type() != "torch.FloatTensor"
    return x * (5 if odd else 2) * (3 if str(x.shape[1:2]) == "torch.Size([4])" else 7)


def _imaginary(x: Tensor) -> Tensor:
    z, y = torch.fft.fft2(x), x.clone()
    before = z.clone()
    z.imag, z[:, :2].real, y.real = x * 3, x[:, 1:3], x * 2
    return z.abs() + before.imag + y


def _written_in_a_list(x: Tensor) -> Tensor:
    parts = [x * 1, x * 2]
    torch._foreach_add_(parts, 1.0)  # type: ignore[attr-defined]
    return parts[0] * parts[1]


def _set(x: Tensor) -> Tensor:
    y = x * 1
    y.set_(x * 2)  # type: ignore[call-overload]
    return y


def _data(x: Tensor) -> Tensor:
    y = x * 1
    y.data = x * 5
    return y


def _both_written(x: Tensor) -> Tensor:
    values, places = torch.empty(0), torch.empty(0, dtype=torch.long)
    torch.max(x, 1, out=(values, places))
    return values


REFUSED: dict[str, tuple[Act, str]] = {
    "caught": (_caught, "decides by the numbers it is given"),
    "set": (_set, "past torch's functions"),
    "data": (_data, "the data of another"),
    "list": (_written_in_a_list, "'_foreach_add_', which convscope cannot write down"),
    "both": (_both_written, "writes into several tensors"),
    "list of numbers": (lambda x: torch.tensor(x.mean((2, 3)).tolist()), "decides by the numbers"),
    "noise": (lambda x: x + torch.randn(4, 1, 1), "draws random numbers (randn)"),
    "dropout": (lambda x: F.dropout(x), "draws random numbers"),
    "attention": (
        lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5),
        "draws random numbers (scaled_dot_product_attention)",
    ),
    "vmap": (lambda x: torch.vmap(lambda c: c - c.mean())(x[0]), "torch.vmap, whose inside"),
    "grad": (lambda x: torch.func.grad(lambda t: (t**2).sum())(x), "torch.func.grad, whose inside"),
    "cond": (lambda x: torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,)), "decides by the numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_cut_and_said(name: str) -> None:
    act, words = REFUSED[name]
    with pytest.warns(ConvscopeWarning, match=re.escape(words)):
        network = open_network(Acting(act).eval(), input_shape=(1, 3, 8, 8))
    assert list(network.activations(torch.randn(1, 3, 8, 8), "conv")) == ["conv"]


DRAWS: dict[str, Act] = {
    "numpy": lambda x: x * np.random.rand(),  # noqa: NPY002
    "python": lambda x: x * random.random(),
    "weights": lambda x: nn.Conv2d(4, 2, 1)(x),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_module_that_answers_otherwise_each_time_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedLayer, match="answers otherwise each time"):
        open_network(Acting(DRAWS[name]).eval(), input_shape=(1, 3, 8, 8))


def test_random_numbers_that_are_fixed_are_as_good_as_any() -> None:
    def act(x: Tensor) -> Tensor:
        fixed = torch.randn(4, 1, 1, generator=torch.Generator().manual_seed(3))
        weights = nn.init.constant_(nn.Conv2d(4, 2, 1, bias=False).weight, 0.5)
        return F.conv2d(x * fixed, weights)

    assert_alike(act)


COMPUTED: dict[str, Act] = {
    "flags": _flags,
    "parts assigned": _imaginary,
    "complex": lambda x: torch.exp(1j * x).real + (x * 2j).imag + abs(x + 1j * x.flip(1)),
    "quantized": lambda x: (
        torch.fake_quantize_per_tensor_affine(x, 0.1, 3, -8, 7)
        + torch.fake_quantize_per_channel_affine(
            x, torch.tensor([0.1, 0.2, 0.3, 0.05]), torch.zeros(4, dtype=torch.int32), 1, -8, 7
        )
    ),
    "padded": lambda x: nn.utils.rnn.pad_sequence([x[0, 0], x[0, 1, :3]], True, 0.5, "left"),
    "distances": lambda x: torch.cdist(x.flatten(2).mT, torch.linspace(-1, 1, 28).view(7, 4)),
    "covariance": lambda x: torch.cov(x[0].flatten(1)) + torch.corrcoef(x[0].flatten(1)),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_it_gives_what_torch_gives(name: str) -> None:
    assert_alike(COMPUTED[name])


def assert_alike(act: Act) -> None:
    module = Acting(act).eval()
    network = open_network(module, input_shape=(1, 3, 8, 8))
    assert not network.graph.cut
    picture = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    found = network.activations(picture, network.graph.outputs[0])[network.graph.outputs[0]]
    with torch.no_grad():
        torch.testing.assert_close(found, module(picture), rtol=1e-4, atol=1e-5)


def test_half_precision_inside_autocast_is_computed_in_single_and_said() -> None:
    def act(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return (x @ x.mT).float()

    with pytest.warns(ConvscopeWarning, match="computes in bfloat16, convscope in single precision"):
        network = open_network(Acting(act).eval(), input_shape=(1, 3, 8, 8))
    assert not network.graph.cut
    open_network(Acting(lambda x: x @ x.mT).eval(), input_shape=(1, 3, 8, 8))  # without a word
