"""What a module does with tensors of its own: writes into them, looks through them, has them complex."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from convscope import open_network


class Own(nn.Module):
    """Does something with a map of four channels; `act` is what."""

    def __init__(self, act: Callable[["Own", Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv, self.act = nn.Conv2d(3, 4, 3, padding=1), act
        self.weight = nn.Parameter(torch.randn(4))
        self.turn = nn.Parameter(torch.randn(4, 4, 5, 3, dtype=torch.cfloat))
        self.pairs = nn.Parameter(torch.randn(4, 1, 1, 2))
        self.plain = torch.ones(4, 1, 1)
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("table", torch.arange(4.0))
        self.register_buffer("keep", torch.tensor([True, False, True, True]))

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self, self.conv(x))

    def scaled(self, x: Tensor) -> Tensor:
        return x * self.table.view(1, -1, 1, 1)


def _counted(own: Own, x: Tensor) -> Tensor:
    own.count += 1
    return x * own.count


def _at_one_place(own: Own, x: Tensor) -> Tensor:
    own.table[1] = 9
    own.table[2:].mul_(3)
    return own.scaled(x)


def _between(own: Own, x: Tensor) -> Tensor:
    before = own.scaled(x)
    own.table.add_(1)
    return before + own.scaled(x)


def _kept_short(own: Own, x: Tensor) -> Tensor:
    own.weight.data = torch.renorm(own.weight.data[None], 2, 0, 0.5)[0]
    own.table.data.copy_(own.weight * 7)
    return own.scaled(x) * own.weight.view(1, -1, 1, 1)


def _no_buffer(own: Own, x: Tensor) -> Tensor:
    own.plain *= 2
    torch.add(own.weight, 1, out=own.table)
    return own.scaled(x) * own.plain


def _of_the_moment(own: Own, x: Tensor) -> Tensor:
    numbers = torch.zeros(4, 1, 1)
    part, first = numbers[1:], x * numbers
    part.fill_(3)
    second = x * numbers
    numbers[2] = 5
    return first + second + x * numbers


def _of_what_is_live(own: Own, x: Tensor) -> Tensor:
    part = own.table[2:]
    own.table[:2].copy_(x.mean((0, 2, 3))[:2])
    numbers = torch.zeros(2, 4)
    numbers[0][1] = x.mean()
    numbers[1].add_(x.mean((0, 2, 3)))
    return own.scaled(x) + (numbers.sum() + part.sum())


def _then_zeros(own: Own, x: Tensor) -> Tensor:
    own.table.copy_(x.mean((0, 2, 3)))
    seen = own.scaled(x)
    own.table.zero_()
    return seen + own.scaled(x) + x


def _where_true(own: Own, x: Tensor) -> Tensor:
    maps = torch.cat([x[:, own.keep], x[:, [True, False, False, True]], x[:, np.array([True] * 4)]], 1)
    maps[:, torch.tensor([True, False, True] * 3)] = 2
    pairs = x.flatten(2) @ x.flatten(2).transpose(1, 2)
    return maps + pairs[:, ~torch.eye(4, dtype=torch.bool)].sum()


def _unwritten(own: Own, x: Tensor) -> Tensor:
    shifted, more = torch.empty_like(x), x.new_empty(x.shape[0], 5, *x.shape[2:])
    shifted[:, :2], shifted[:, 2:] = x[:, 2:], x[:, :2]
    more[:, 0], more[:, 1:] = 1, x
    return torch.cat([torch.mul(shifted, 3, out=torch.empty_like(x)), more], 1)


def _filled(own: Own, x: Tensor) -> Tensor:
    """Memory that holds anything, and another thing each time, until it is written to."""
    level, strided = torch.empty((), dtype=torch.float64), torch.empty_strided((40, 3), (3, 1))
    strided[:4] = x.mean((0, 2, 3))[:, None]
    return x * level.copy_(x.std()).float() + strided[:4, :1, None]


def _spectral(own: Own, x: Tensor) -> Tensor:
    spectrum = torch.fft.rfft2(x)
    low = torch.zeros(len(x), 4, x.shape[2], x.shape[3] // 2 + 1, dtype=torch.cfloat)
    low[:, :, :5, :3] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, :5, :3], own.turn)
    low[:, :, -5:, :3] = torch.einsum("bixy,ioxy->boxy", spectrum[:, :, -5:, :3], own.turn.conj())
    turned = spectrum * torch.view_as_complex(own.pairs)
    return torch.fft.irfft2(low + turned, s=x.shape[2:])


def _powers(own: Own, x: Tensor) -> Tensor:
    x = x.abs() + 1
    x **= 2
    x **= x.flip(1).sigmoid()
    return x + F.interpolate(x, (5, 7), mode="area").mean() + x.index_copy(1, torch.tensor([2]), x[:, :1])


ACTS = (
    *(
        _counted,
        _at_one_place,
        _between,
        _kept_short,
        _no_buffer,
        _of_the_moment,
        _of_what_is_live,
        _then_zeros,
    ),
    *(_where_true, _unwritten, _filled, _spectral, _powers),
)


@pytest.mark.parametrize("act", ACTS)
def test_it_gives_what_torch_gives_and_is_left_as_it_was(act: Callable[[Own, Tensor], Tensor]) -> None:
    module, twin = Own(act).eval(), Own(act).eval()
    network = open_network(module, input_shape=(1, 3, 12, 12))
    assert not network.graph.cut
    for size in ((12, 12), (14, 21)):
        picture = torch.randn(1, 3, *size)
        for other, now in zip(twin.state_dict().values(), Own(act).state_dict().values(), strict=True):
            other.copy_(now)  # a second picture would find what the first one left
        twin.plain = torch.ones(4, 1, 1)
        with torch.no_grad():
            expected = twin(picture)
        found = network.activations(picture, network.graph.outputs[0])[network.graph.outputs[0]]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for (name, now), before in zip(module.state_dict().items(), Own(act).state_dict().values(), strict=True):
        assert torch.equal(now, before), name
    assert torch.equal(module.plain, torch.ones(4, 1, 1))


class Turned(nn.Module):
    """Turns pairs of channels by stored complex numbers, and keeps those of some."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv = nn.Conv2d(3, 4, 3)
        self.register_buffer("turn", torch.polar(torch.rand(4, 1, 1), torch.arange(4.0).view(4, 1, 1)))
        self.register_buffer("keep", torch.tensor([True, False, True, True]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return torch.view_as_real(torch.complex(x, x.flip(1)) * self.turn.conj())[..., 1][:, self.keep]


@pytest.mark.parametrize("ending", ["pt2", "pt", "convscope"])
def test_complex_numbers_and_truths_are_read_from_a_file(ending: str, tmp_path: Path) -> None:
    module, picture, file = Turned().eval(), torch.randn(1, 3, 9, 8), tmp_path / f"turned.{ending}"
    if ending == "pt2":
        torch.export.save(torch.export.export(module, (picture,)), file)
    elif ending == "pt":
        torch.jit.script(module).save(str(file))
    else:
        open_network(module, input_shape=(1, 3, 9, 8)).save(file)
    network = open_network(file, input_shape=None if ending == "convscope" else (1, 3, 9, 8))
    name = network.graph.outputs[0]
    with torch.no_grad():
        torch.testing.assert_close(network.activations(picture, name)[name], module(picture))


def test_what_a_module_imports_while_it_runs_has_pythons_own_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_while_tracing.py").write_text("import imported_further\nKNOWN = (len, max, min)\n")
    (tmp_path / "imported_further.py").write_text("KNOWN = (len, max, min)\n")
    monkeypatch.syspath_prepend(tmp_path)

    def act(own: Own, x: Tensor) -> Tensor:
        import imported_while_tracing as module  # type: ignore[import-not-found]

        assert (len, max, min) != (*module.KNOWN,) == module.imported_further.KNOWN
        return x[:, : max(x.shape[1] // 2, 1)]

    network = open_network(Own(act), input_shape=(1, 3, 9, 8))
    assert network.shapes[network.graph.outputs[0]][1] == 2
    assert (len, max, min) == sys.modules["imported_while_tracing"].KNOWN
