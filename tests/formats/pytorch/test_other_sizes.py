"""What a module's code decides by a size: right at other sizes, or refused there; beside the module itself."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from convscope import open_network
from convscope.errors import ConvscopeWarning, InputError

SIZES = [(24, 24), (24, 32), (36, 24), (25, 27), (16, 20), (96, 100), (9, 9)]


GRIDS: dict[int, Tensor] = {}


@functools.cache
def cached_grid(columns: int) -> Tensor:
    return torch.arange(columns).float()


def default_grid(columns: int, grids: dict[int, Tensor] = {}) -> Tensor:  # noqa: B006
    return grids.setdefault(columns, torch.arange(columns).float())


class Codes:
    """Keeps grids where no module sees them."""

    of_all: dict[int, Tensor] = {}  # noqa: RUF012
    last: Tensor | None = None

    def __init__(self) -> None:
        self.own: dict[int, Tensor] = {}

    @functools.lru_cache(4)  # noqa: B019
    def cached(self, columns: int) -> Tensor:
        return torch.arange(columns).float()

    @staticmethod
    @functools.cache
    def shared(columns: int) -> Tensor:
        return torch.arange(columns).float()

    def grid(self, h: Tensor) -> Tensor:
        columns, grid = h.shape[3], torch.arange(h.shape[3]).float()
        kept = self.own.setdefault(columns, grid) + self.of_all.setdefault(columns, grid)
        if Codes.last is None or Codes.last.shape[0] != columns:
            Codes.last = grid
        return kept + GRIDS.setdefault(columns, grid) + self.cached(columns) * Codes.last


def kept_elsewhere(m: Any, h: Tensor) -> Tensor:
    """Grids are kept by a function, a file, a class and an object."""
    columns = h.shape[3]
    codes = m.codes.grid(h) / columns + cached_grid(columns) + m.codes.shared(columns) * default_grid(columns)
    return h + (codes / columns).cos()


class Deciding(nn.Module):
    def __init__(self, forward: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.heads = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(4))
        self.grids: dict[Any, Tensor] = {}
        self.scales, self.codes = {36: 2.0}, Codes()
        self._forward = forward

    def forward(self, x: Tensor) -> Any:
        return self._forward(self, self.first(x))


def resized(h: Tensor, rows: Any, columns: Any = 24) -> Tensor:
    return F.interpolate(h, (rows, columns))


def fitted(m: Any, h: Tensor) -> Tensor:
    small = F.max_pool2d(h, 2)
    large = F.interpolate(small, scale_factor=2)
    if large.shape != h.shape:
        large = F.interpolate(small, h.shape[2:])
    return m.second(large + h)


def decided_before(m: Any, h: Tensor) -> Tensor:
    large = h.shape[2] > 20
    one, other = m.second(h), m.heads[0](h)
    return one * 2 + other if large else one - other


def chosen(m: Any, h: Tensor) -> Tensor:
    other = m.second(h)
    return other if other.shape[2] > 20 else h


def gridded(m: Any, h: Tensor) -> Tensor:
    size = tuple(h.shape[2:])
    if size not in m.grids:
        m.grids[size] = torch.arange(h.shape[3]).float()
    return h * m.grids[size]


def pyramid(m: Any, h: Tensor) -> Tensor:
    """Spatial pyramid pooling, as it is usually written."""
    rows, columns = h.shape[2:]
    sizes = ((math.ceil(rows / n), math.ceil(columns / n)) for n in (1, 2, 4))
    steps = ((math.floor(rows / n), math.floor(columns / n)) for n in (1, 2, 4))
    return torch.cat(
        [F.max_pool2d(h, *each)[..., :1, :1].flatten(1) for each in zip(sizes, steps, strict=True)], 1
    )


def located(m: Any, h: Tensor) -> Tensor:
    """The boxes of a YOLO's cells."""
    rows, columns = h.shape[2:]
    y, x = torch.meshgrid([torch.arange(rows), torch.arange(columns)], indexing="ij")
    cells = torch.stack((x, y), 2).view(1, rows, columns, 2).float()
    boxes = h.permute(0, 2, 3, 1).sigmoid().contiguous()
    boxes[..., :2] = (boxes[..., :2] * 2 - 0.5 + cells) * 8
    return boxes.view(h.shape[0], -1, 4)


def turned(m: Any, h: Tensor) -> Tensor:
    """A spatial transformer."""
    matrix = h.mean((2, 3))[:, :3].unsqueeze(1) * 0.1 + torch.eye(2, 3)
    return F.grid_sample(h, F.affine_grid(matrix, h.size(), align_corners=False), align_corners=False)


def filtered(m: Any, h: Tensor) -> Tensor:
    """Low frequencies pass, under a window."""
    y, x = torch.fft.fftfreq(h.shape[2])[:, None], torch.fft.rfftfreq(h.shape[3])
    passed = torch.fft.irfft2(torch.fft.rfft2(h) * torch.exp(-4 * (y**2 + x**2)), s=h.shape[2:])
    return passed * torch.hann_window(h.shape[3], periodic=False)


def kinds(m: Any, h: Tensor) -> Tensor:
    """What kind of number a size is decides."""
    rows, alike = int(h.shape[2] / 2), np.zeros(2, int).dtype == np.int64
    return h * rows * (2 if type(rows) == int and type(h.shape[3]) is int and alike else 3)  # noqa: E721


def fractions_first(m: Any, h: Tensor) -> Tensor:
    """The fraction that is written down does the arithmetic; beside a tensor it is any fraction."""
    rows, columns = int(0.7 * h.shape[2]), math.ceil(100.0 / h.shape[3]) + int(90.5 % h.shape[3] // 8)
    scale = [1.5 - each / h.shape[2] + 1.01 ** (0.5 * each) for each in h.shape[2:]]
    kind = 2.0 if type(each := 0.5) == float and isinstance(each, float) else 3.0  # noqa: E721
    return F.leaky_relu(0.5 - resized(h, rows, columns), 0.1).clamp(max=0.75) * kind * sum(scale)


def by_numpy(m: Any, h: Tensor) -> Tensor:
    """Rounding and whole shapes as NumPy's users write them: halves go to the even number."""
    rows, columns = np.ceil(h.shape[2] * 0.7).astype(int), int(np.round(h.shape[3] / 2))
    scale = (
        np.round(h.shape[2] / 7, 1) + np.trunc(h.shape[3] * 0.3) - np.abs(-h.shape[2]) + np.square(h.shape[3])
    )
    counts = np.sum(h.shape) + np.max(h.shape[2:]) - np.min(h.shape[2:]) * np.mean(h.shape[2:])
    return (
        resized(h, rows, columns).reshape(h.shape[0], h.shape[1], -1)
        * (scale + counts)
        / np.prod(h.shape[2:]).item()
    )


def either(m: Any, h: Tensor, condition: Any) -> Tensor:
    return m.second(h) if condition else h * 3


# What decides, and at how many of the seven sizes the network answers.
DECISIONS: dict[str, tuple[Callable[[Any, Tensor], Any], int]] = {
    "max": (lambda m, h: resized(h, max(h.shape[2], 22)), 7),
    "min of all": (lambda m, h: h[:, :, : min(list(h.shape[2:]))], 7),
    "max by a key": (lambda m, h: resized(h, max(h.shape[2], 22, key=lambda size: size)), 5),
    "larger": (lambda m, h: either(m, h, h.shape[2] > 20), 5),
    "both": (lambda m, h: either(m, h, 20 < h.shape[2] <= 40), 1),
    "square": (lambda m, h: either(m, h, h.shape[2] == h.shape[3]), 2),
    "a tuple": (lambda m, h: either(m, h, h.shape[2:] > (20, 0)), 5),
    "odd": (lambda m, h: either(m, h, h.shape[2] % 2), 5),
    "bits": (lambda m, h: either(m, h, h.shape[3] & (h.shape[3] - 1)), 6),
    "all numbers": (lambda m, h: either(m, h, h.numel() > 2000), 5),
    "a product": (lambda m, h: either(m, h, math.prod(h.shape[2:]) > 500), 5),
    "a fraction": (lambda m, h: either(m, h, h.shape[2] * 0.5 > 11), 5),
    "proportions": (lambda m, h: either(m, h, abs(h.shape[2] / h.shape[3] - 1) < 0.1), 2),
    "a root": (lambda m, h: either(m, h, h.shape[2] ** 0.5 > 4.5), 5),
    "a scale": (lambda m, h: F.interpolate(h, scale_factor=k) if (k := 22 / h.shape[2]) > 1 else h, 5),
    "NumPy": (lambda m, h: either(m, h, np.maximum(h.shape[2], 10) > np.int64(20)), 5),
    "a shape's own count": (lambda m, h: either(m, h, h.shape[2:].numel() > 500), 5),
    "a place": (lambda m, h: m.heads[h.shape[2] // 16](h), 4),
    "a place far off": (lambda m, h: h * [2.0, 3.0, 4.0][h.shape[2] // 40], 6),
    "the least place": (lambda m, h: m.heads[min(h.shape[2] // 8, 3)](h), 5),
    "a name": (lambda m, h: getattr(m, f"{'second' if h.shape[2] // 40 else 'first'}")(h[:, :3]), 6),
    "a list as long": (lambda m, h: h * len([0] * (h.shape[2] // 40 + 1)), 6),
    "a key": (lambda m, h: h * {24: 2.0, 36: 4.0}.get(h.shape[2], 1.0), 2),
    "a key that is elsewhere": (lambda m, h: h * {36: 2.0}.get(h.shape[2], 1.0), 2),
    "a pair that is elsewhere": (lambda m, h: h * {(36, 24): 2.0}.get(tuple(h.shape[2:]), 1.0), 2),
    "one of a set": (lambda m, h: either(m, h, h.shape[3] in {27, 48}), 2),
    "a whole shape of a set": (lambda m, h: either(m, h, h.shape in {torch.Size([1, 4, 36, 24])}), 2),
    "a size by its text": (lambda m, h: either(m, h, str(h.shape[2]) == "36"), 2),
    "NumPy's search": (lambda m, h: either(m, h, np.isin(h.shape[2], [36, 47])), 2),
    "a key of a module's own": (lambda m, h: h * m.scales.get(h.shape[2], 1.0), 2),
    "a hash": (lambda m, h: h * (hash((h.shape[2], h.shape[3])) % 5 + 1), 1),
    "a power's rest": (lambda m, h: h * (pow(h.shape[2], 2, 7) + 1), 2),
    "numbers of its kind": (lambda m, h: h * h.new_tensor([h.shape[2], 0.5]).max() + h.nbytes, 7),
    "a whole number": (lambda m, h: resized(h, max(int(h.shape[2] * 0.5), 30)), 7),
    "math": (lambda m, h: either(m, h, math.sqrt(h.shape[2]) > 4.5), 5),
    "a tensor": (lambda m, h: either(m, h, torch.tensor(h.shape[2:]).min() > 20), 1),
    "a fraction that is larger": (lambda m, h: either(m, h, 90.0 > h.shape[2]), 6),  # noqa: SIM300
    "a product with a fraction first": (lambda m, h: either(m, h, 0.5 * h.shape[2] > 45), 6),
    "a quotient of a fraction": (lambda m, h: either(m, h, 5.0 / h.shape[2] > 0.5), 6),
    "a function in C": (lambda m, h: either(m, h, math.isqrt(h.shape[2]) > 8), 6),
    "NumPy's logarithm": (lambda m, h: either(m, h, np.log2(h.shape[2]) > 6.5), 6),
    "a long range": (lambda m, h: either(m, h, len(range(h.shape[2])) > 90), 1),
    "windows of all": (
        lambda m, h: F.avg_pool2d(h.abs(), h.shape[2:]) * F.max_pool2d(h, [*h.size()[-2:]]),
        7,
    ),
    "windows of a size": (pyramid, 7),
    "one over a size": (lambda m, h: h * (3 / h.shape[2]) + h.shape[3] / 2 - h.shape[2] * 0.1, 7),
    "a size by a tensor": (lambda m, h: h.shape[2] / (h.abs() + 1) + h.shape[3] ** h.sigmoid(), 7),
    "the largest's place": (
        lambda m, h: (i := h.flatten(2).argmax(2)) % h.shape[3] + i // h.shape[3] * 1.0,
        7,
    ),
    "a grid": (located, 7),
    "a turned grid": (turned, 7),
    "a table stretched": (
        lambda m, h: h + F.interpolate(m.first.weight[None, :, 0], h.shape[2:], mode="bicubic"),
        7,
    ),
    "frequencies": (filtered, 7),
    "places put": (lambda m, h: m.second(h.clone().put_(torch.tensor([0, 5]), torch.tensor([1.0, 2.0]))), 7),
    "windows folded": (lambda m, h: F.fold(F.unfold(h, 3, padding=1), h.shape[2:], 3, padding=1), 7),
    "places unpooled": (
        lambda m, h: F.max_unpool2d(*F.max_pool2d(h, 2, return_indices=True), 2, output_size=h.size()),
        7,
    ),
    "a norm of all": (lambda m, h: F.lp_pool2d(h.abs(), 3, h.shape[2:]), 7),
    "one of either": (lambda m, h: either(m, h, h.shape[2] > 20 or h.shape[3] > 10), 5),
    "one and the other": (lambda m, h: either(m, h, (h.shape[2] > 21) == (h.shape[3] > 21)), 5),
    "a range": (lambda m, h: either(m, h, h.shape[2] in range(10, 101)), 6),
    "a range with steps": (lambda m, h: either(m, h, h.shape[2] in range(100, 10, -4)), 5),
    "a list": (lambda m, h: either(m, h, h.shape[2] in [16, 24, 36]), 2),
    "parts rounded": (
        lambda m, h: (
            resized(h, int(h.shape[2] * 0.7), round(h.shape[3] * 0.45))
            + math.ceil(h.shape[2] * 0.3)
            + int(-0.3 + h.shape[3] * -0.7)
        ),
        7,
    ),
    "roots": (
        lambda m, h: resized(h, int(math.sqrt(h.numel())), int(h.shape[2] ** 0.5)) / math.sqrt(h.shape[2]),
        7,
    ),
    "logarithms": (
        lambda m, h: (
            h * math.log(h.shape[2])
            + int(math.log2(h.shape[3]))
            + np.log10(h.shape[2])
            - math.log(h.shape[3], 3)
        ),
        7,
    ),
    "fractions first": (fractions_first, 7),
    "NumPy's rounding": (by_numpy, 7),
    "whole functions": (
        lambda m, h: resized(
            h, math.gcd(h.shape[2], 8) + math.isqrt(h.shape[3]), math.ceil(round(float(h.shape[2]) / 3, 1))
        ),
        7,
    ),
    "kinds": (
        lambda m, h: resized(h, [*map(int, h.shape[2:])][1]) if isinstance(int(h.shape[2]), int) else h,
        7,
    ),
    "a kind by name": (kinds, 7),
    "sizes as a tensor": (
        lambda m, h: (
            h * torch.tensor([[*h.shape[2:]], [1, 2]]).float().det() / torch.tensor(float(h.shape[2])).sqrt()
        ),
        7,
    ),
    "clamped to sizes": (lambda m, h: (h * 50).clamp_(0.5, h.shape[2]).clamp(max=h.shape[3] / 2), 7),
    "part of the size": (lambda m, h: F.interpolate(h, scale_factor=0.5, mode="area"), 7),
    "a scale by sizes": (
        lambda m, h: F.interpolate(
            m.first.weight[:1], scale_factor=((h.shape[2] + 0.1) / 3, (h.shape[3] + 0.1) / 3)
        ),
        7,
    ),
    "stretched or not": (lambda m, h: h + h[:, :, : h.shape[2] // 9].mean(2, keepdim=True), 7),
    "fitted": (fitted, 5),
    "before two layers": (decided_before, 5),
    "of two results": (chosen, 5),
    "kept by the module": (gridded, 7),
    "kept elsewhere": (kept_elsewhere, 7),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_a_network_answers_as_its_module_or_not_at_all(name: str) -> None:
    forward, count = DECISIONS[name]
    module = Deciding(forward).eval()
    network = open_network(module, input_shape=(1, 3, 24, 24))
    (output,) = network.graph.outputs
    answers = 0
    for size in SIZES:
        x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
        try:
            answer = network.activations(x, output)[output]
        except InputError as error:
            assert "for another size" in str(error) or "opened for 3x24x24" in str(error)
        else:
            torch.testing.assert_close(answer, module(x).detach(), rtol=1e-4, atol=1e-5)
            answers += 1
    assert answers == count


def test_the_line_of_code_that_decides_is_named_and_the_layers_before_it_work(tmp_path: Path) -> None:
    network = open_network(
        Deciding(lambda m, h: either(m, h, h.shape[2] > 20)).eval(), input_shape=(1, 3, 24, 24)
    )
    small = torch.rand(1, 3, 16, 20)
    saved = open_network(network.save(tmp_path / "deciding.convscope"))
    for one in (network, saved):
        assert one.activations(small, "first")["first"].shape == (1, 4, 16, 20)
        with pytest.raises(
            InputError, match=r"otherwise at this one \(test_other_sizes.py, line \d+: .*\): 16 > 20 was True"
        ):
            one.activations(small, "second")


def test_the_files_of_a_module_are_left_as_they_were() -> None:
    before = dict(globals())
    for name in ("parts rounded", "fractions first"):
        open_network(Deciding(DECISIONS[name][0]).eval(), input_shape=(1, 3, 24, 24))
    assert [type(number) for number in fractions_first.__code__.co_consts].count(float) > 5
    assert globals().keys() == before.keys() and all(globals()[name] is before[name] for name in before)
    assert "real" not in vars(Tensor)


def test_a_module_that_keeps_grids_is_left_as_it_was() -> None:
    module = Deciding(gridded).eval()
    x = torch.rand(1, 3, 24, 24)
    open_network(module, input_shape=(1, 3, 24, 24))
    assert module.grids == {}
    expected = module(x)
    network = open_network(module, input_shape=(1, 3, 24, 24))
    torch.testing.assert_close(module(x), expected)
    assert [*module.grids] == [(24, 24)]
    (output,) = network.graph.outputs
    torch.testing.assert_close(network.activations(x, output)[output], expected.detach())


def test_what_a_network_keeps_elsewhere_is_left_as_it_was() -> None:
    module, x = Deciding(kept_elsewhere).eval(), torch.rand(1, 3, 24, 40)
    module.codes.cached(3)
    cached = module.codes.cached, cached_grid, Codes.shared
    open_network(module, input_shape=(1, 3, 24, 40))
    assert (module.codes.cached, cached_grid, Codes.shared) == cached
    assert not module.codes.own and Codes.of_all.keys() == GRIDS.keys() and 40 not in GRIDS
    assert module(x).device.type == "cpu"


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        if h.shape[2] > 20:
            return self.second(h)
        return h * 3


def test_a_live_torchscript_module_is_refused_where_it_decides_otherwise() -> None:
    module = torch.jit.script(Gated().eval())
    network = open_network(module, input_shape=(1, 3, 24, 24))
    x = torch.rand(1, 3, 36, 20)
    torch.testing.assert_close(network.activations(x, "second")["second"], module(x).detach())
    with pytest.raises(InputError, match="16 > 20 was True there"):
        network.activations(torch.rand(1, 3, 16, 20), "second")


def test_an_exported_program_says_which_sizes_it_is_for(tmp_path: Path) -> None:
    module, x = Gated().eval(), torch.rand(1, 3, 24, 24)
    sizes = {"some": {"x": {2: torch.export.Dim("rows", min=21, max=60)}}, "one": None}
    for name, dynamic in sizes.items():
        torch.export.save(torch.export.export(module, (x,), dynamic_shapes=dynamic), tmp_path / f"{name}.pt2")
    some, one = (open_network(tmp_path / f"{name}.pt2") for name in sizes)
    high = torch.rand(1, 3, 60, 24)
    torch.testing.assert_close(some.activations(high, "second")["second"], module(high).detach())
    for size, said in (((20, 24), "20 >= 21"), ((61, 24), "61 <= 60"), ((24, 25), "25 == 24")):
        with pytest.raises(InputError, match=f"what it was exported for.*{said}"):
            some.activations(torch.rand(1, 3, *size), "second")
    with pytest.warns(ConvscopeWarning, match="exported for 3x24x24 alone"):
        one.activations(high, "second")
