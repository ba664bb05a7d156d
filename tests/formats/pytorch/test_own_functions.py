"""What a network says of itself and convscope does not follow is told: its own gradients, its own mode; what fails."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.errors import ConvscopeWarning, InputError, UnsupportedLayer
from convscope.formats.opening import open_network

SHAPE = (1, 3, 7, 9)


class Layer(nn.Module):
    """A convolution and a function of what it gives."""

    def __init__(self, act: Callable[[Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.act = nn.Conv2d(3, 4, 3), act

    def forward(self, x: Tensor) -> Any:
        return self.act(self.first(x))


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.sign()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, factor: float) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return -ctx.factor * grads[0], None


class Swish(torch.autograd.Function):
    """Saves memory; the gradient is the true one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = x.sigmoid()
        return grads[0] * gate * (1 + x * (1 - gate))


def told(module: nn.Module, shape: tuple[int, ...] = SHAPE) -> list[str]:
    """What is said when a network opens; it answers as in evaluation mode."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = open_network(module, input_shape=shape)
    assert not network.graph.cut
    said = [str(one.message) for one in caught if issubclass(one.category, ConvscopeWarning)]
    return [note for note in said if "nothing says how a picture" not in note]


@pytest.mark.parametrize("own", [StraightThrough, Reversed])
def test_a_gradient_of_its_own_is_told_by_its_class(own: Any) -> None:
    arguments = (0.5,) if own is Reversed else ()
    (note,) = told(Layer(lambda h: own.apply(h, *arguments) + own.apply(h, *arguments)))
    assert note.startswith(f"{own.__name__}: a backward() of its own is not followed")


def test_of_a_gradient_that_is_the_arithmetics_nothing_is_said() -> None:
    module = Layer(Swish.apply).eval()
    assert told(module) == []
    network = open_network(module, input_shape=SHAPE)
    x = torch.randn(SHAPE, requires_grad=True)
    (expected,) = torch.autograd.grad(module(x).sum(), x)
    found = network.gradient(x.detach(), *network.graph.outputs)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


class AlwaysBatch(nn.BatchNorm2d):
    def train(self, mode: bool = True) -> "AlwaysBatch":
        super().train(True)
        return self


class Frozen(nn.Sequential):
    """As detectors' backbones: its normalization stays in evaluation mode, and nothing stays in training mode."""

    def train(self, mode: bool = True) -> "Frozen":
        super().train(mode)
        self[1].eval()
        return self


@pytest.mark.parametrize("evaluated", [False, True])
def test_what_stays_in_training_mode_is_told(evaluated: bool) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), AlwaysBatch(4), nn.Dropout())
    (note,) = told(module.train(not evaluated))
    assert note.startswith("'1' (AlwaysBatch) stays in training mode when the network is in evaluation mode")
    assert module[1].training and module[2].training is not evaluated


def test_of_modes_that_are_the_networks_nothing_is_said() -> None:
    parts = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()]
    assert told(nn.Sequential(*parts).train()) == told(nn.Sequential(*parts).eval()) == []
    assert told(Frozen(*parts).train()) == []
    head = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    head.append(nn.Conv2d(4, 2, 1))  # a new head, in training mode, which computes the same
    assert told(head) == []


@pytest.mark.parametrize("inside", [False, True])
def test_inference_mode_is_followed(inside: bool) -> None:
    @torch.inference_mode()
    def act(h: Tensor) -> Tensor:
        return h.relu().add_(h[:, :1])

    module = Layer(act).eval()
    whole = nn.Sequential(module)
    if not inside:
        whole.forward = torch.inference_mode()(whole.forward)  # type: ignore[method-assign]
    network = open_network(whole, input_shape=SHAPE)
    x = torch.randn(2, *SHAPE[1:])
    (name,) = network.graph.outputs
    torch.testing.assert_close(network.activations(x, name)[name], whole(x).clone())
    assert network.gradient(x, name).abs().sum() > 0
    with torch.inference_mode():
        assert torch.ones(1).is_inference()


def leaves(h: Tensor) -> Tensor:
    sys.exit(3)


def asserts(h: Tensor) -> Tensor:
    if h.shape[1] != 3:
        raise AssertionError
    return h


def looks_up(h: Tensor) -> Tensor:
    return h * {"small": 2.0}["large"]


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (leaves, "SystemExit: 3 (test_own_functions.py, line .*: sys.exit(3))"),
        (asserts, "AssertionError (test_own_functions.py, line .*: raise AssertionError)"),
        (looks_up, "'KeyError: 'large' (test_own_functions.py, line "),
    ],
)
def test_what_ends_a_forward_is_told_with_its_line(act: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        open_network(Layer(act), input_shape=SHAPE)
    before, _, after = said.partition(".*")
    assert before in str(caught.value) and after in str(caught.value)


def test_a_program_made_for_one_processor_is_called_so() -> None:
    program = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval())
    with pytest.raises(UnsupportedLayer, match="optimize_for_inference"):
        open_network(torch.jit.optimize_for_inference(program), input_shape=SHAPE)


@pytest.mark.parametrize("word", [chr, hex])
def test_what_is_decided_by_a_sizes_word_holds_at_this_size_alone(word: Callable[[int], str]) -> None:
    module = Layer(lambda h: h * 2 if word(h.shape[3]) in (word(5), word(9)) else h).eval()
    network = open_network(module, input_shape=SHAPE)
    (name,) = network.graph.outputs
    x = torch.randn(SHAPE)
    torch.testing.assert_close(network.activations(x, name)[name], module(x).detach())
    for width in (7, 11):
        x = torch.randn(1, 3, 7, width)
        with pytest.raises(InputError, match="open it for"):
            network.activations(x, name)


def test_letters_that_a_size_is_looked_for_among_are_sizes() -> None:
    module = Layer(lambda h: h * 2 if chr(h.shape[3]) in "%\x0b" else h).eval()
    network = open_network(module, input_shape=SHAPE)
    (name,) = network.graph.outputs
    with pytest.raises(InputError, match=r"[Oo]pen it for"):
        network.activations(torch.randn(1, 3, 7, 13), name)
