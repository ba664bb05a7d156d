"""A program of torch.export is read as data and answers as the module it was exported from."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.errors import ConvscopeError, ConvscopeWarning
from convscope.formats.opening import open_network


class Branches(nn.Module):
    """Convolutions, in-place and functional steps, constants, a split, a size that is read, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.head, self.drop = nn.Linear(6, 5), nn.Dropout(0.5)
        self.register_buffer("gain", torch.rand(6, 1, 1))
        self.stem[1].running_mean.normal_()

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        y = functional.max_pool2d(self.stem(x), 2) * self.gain
        first, second = y.chunk(2, 1)
        y = torch.cat([second, first], 1) + torch.tensor([[1.5], [-0.25]]).repeat(3, 1)[:, :, None]
        y = functional.interpolate(y, scale_factor=2, mode="bilinear")
        seen = self.drop(functional.adaptive_avg_pool2d(y, 1)).view(x.shape[0], -1)
        return self.head(seen), {"features": y}


def exported(path: Path, module: nn.Module, shape: tuple[int, ...], dynamic: bool) -> Path:
    dimensions = {"x": {0: torch.export.Dim("batch")}} if dynamic else None
    program = torch.export.export(module, (torch.randn(shape),), dynamic_shapes=dimensions)
    torch.export.save(program, path)
    return path


@pytest.fixture
def module() -> Branches:
    torch.manual_seed(2)
    return Branches().eval()


def assert_answers_alike(path: Path, module: nn.Module, count: int) -> None:
    network = open_network(path)
    x = torch.randn(count, 3, 8, 10, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        head, features = module.eval()(x)
    answers = network.activations(x, "head", network.graph.outputs[1])
    torch.testing.assert_close(list(answers.values()), [head, features["features"]], rtol=1e-5, atol=1e-6)
    assert {"stem.0", "stem.1", "stem.2", "head"} <= network.layers.keys()
    assert network.layers["stem.0"].kind == "Conv2d"


@pytest.mark.parametrize(("dynamic", "counts"), [(True, (1, 3)), (False, (2,))])
def test_a_program_opens_without_its_module(
    module: Branches, tmp_path: Path, dynamic: bool, counts: tuple[int, ...]
) -> None:
    path = exported(tmp_path / "branches.pt2", module, (2, 3, 8, 10), dynamic)
    for count in counts:
        assert_answers_alike(path, module, count)


def test_one_that_was_exported_while_training_is_shown_as_it_answers(
    module: Branches, tmp_path: Path
) -> None:
    path = exported(tmp_path / "branches.pt2", module.train(), (2, 3, 8, 10), False)
    with pytest.warns(ConvscopeWarning, match="exported in training mode"):
        assert_answers_alike(path, module, 2)


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Return a program in whose graph something was changed."""
    other = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("models/model.json"):
                graph = json.loads(content)
                change(graph["graph_module"])
                content = json.dumps(graph).encode()
            new.writestr(name, content)
    return other


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.save.default",
        "torch.ops.torchvision.nms.default",
        "os.system",
        "_operator.call",
    ],
)
def test_what_is_not_arithmetic_is_not_called_and_the_network_is_cut_there(
    module: Branches, tmp_path: Path, target: str
) -> None:
    path = exported(tmp_path / "branches.pt2", module, (2, 3, 8, 10), False)
    name = target.removeprefix("torch.ops.aten.").partition(".default")[0]
    with pytest.warns(ConvscopeWarning, match=name):
        network = open_network(changed(path, lambda graph: graph["graph"]["nodes"][6].update(target=target)))
    x = torch.randn(2, 3, 8, 10)
    torch.testing.assert_close(network.activations(x, "stem.2")["stem.2"], module.stem(x).detach())
    assert "head" in network.graph.cut
    with pytest.raises(ConvscopeError, match=name):
        open_network(changed(path, lambda graph: graph["graph"]["nodes"][0].update(target=target)))


def test_a_damaged_program_is_called_so(module: Branches, tmp_path: Path) -> None:
    path = exported(tmp_path / "branches.pt2", module, (2, 3, 8, 10), False)
    sentence = r"its program\.graph_module\.graph\.nodes\[0\]\.target is 7, not a text"
    with pytest.raises(ConvscopeError, match=sentence):
        open_network(changed(path, lambda graph: graph["graph"]["nodes"][0].update(target=7)))
    nowhere = [{"name": "input", "arg": {"as_tensor": {"name": "nowhere"}}}]
    for change in (
        lambda graph: graph.pop("signature"),
        lambda graph: graph["graph"].update(nodes=7),
        lambda graph: graph["graph"]["nodes"][0].update(inputs=nowhere),
        lambda graph: graph["signature"]["input_specs"][0]["parameter"].update(parameter_name="nowhere"),
    ):
        with pytest.raises(ConvscopeError):
            open_network(changed(path, change))


class Tokens(nn.Module):
    """A small transformer: a token of its own before those of the picture, one for each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 5)
        self.token, self.attention = (
            nn.Parameter(torch.randn(1, 1, 8)),
            nn.MultiheadAttention(8, 2, batch_first=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens], 1)
        return self.head(self.attention(tokens, tokens, tokens)[0][:, 0])  # type: ignore[no-any-return]


def test_what_was_exported_for_one_picture_takes_several_one_after_the_other(tmp_path: Path) -> None:
    torch.manual_seed(7)
    module, x = Tokens().eval(), torch.randn(3, 3, 8, 12, requires_grad=True)
    network = open_network(exported(tmp_path / "tokens.pt2", module, (1, 3, 8, 12), False))
    answers = network.activations(x, "head", "patch")
    torch.testing.assert_close(answers["head"], module(x), rtol=1e-5, atol=1e-6)
    assert answers["patch"].shape == (3, 8, 2, 3)
    for forward in (lambda: answers["head"], lambda: network.forward_to(["head"])(x)["head"]):
        (gradient,) = torch.autograd.grad(forward()[:, 2].sum(), x)
        (expected,) = torch.autograd.grad(module(x)[:, 2].sum(), x)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)
    rows = next(name for name, shape in network.shapes.items() if shape and shape[0] not in (1, 3))
    with pytest.raises(ConvscopeError, match="saved for one picture at a time"):
        network.activations(x, rows)
