"""Every module of the networks of torchvision and timm, with random weights, against forward hooks that copy.

Optional: needs torchvision and timm, which convscope does not install (`pip install --no-deps torchvision==0.28.0 timm
huggingface_hub`); a handful runs here.
"""

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from convscope.formats.pytorch.building import build_graph, input_names
from convscope.formats.pytorch.libraries import import_torchvision
from convscope.network.network import Network
from module_hooks import seen_by_hooks

pytestmark = pytest.mark.slow


def worst_difference(module: nn.Module, size: int, batch: int = 2) -> tuple[float, int, str]:
    """Return the largest difference relative to a layer's largest number, and how many values were compared."""
    shape = (1, 3, size, size)
    network = Network(build_graph(module, {input_names(module)[0]: shape}, "network"), input_spec=None)
    x = torch.randn(batch, *shape[1:], generator=torch.Generator().manual_seed(1))
    expected, output = seen_by_hooks(module, x)
    other, _ = seen_by_hooks(module, 1 - 2 * x)
    constant = [name for name in expected if torch.equal(expected[name], other[name])]
    expected = {name: value for name, value in expected.items() if name not in constant}
    worst, where = 0.0, ""
    with torch.no_grad():
        found = network.activations(x, *expected, *network.graph.outputs)
    if isinstance(output, torch.Tensor):
        expected["the output"] = output
        found["the output"] = found[network.graph.outputs[0]]
    for name, value in expected.items():
        scale = float(value.abs().max()) or 1.0
        difference = float((found[name] - value).abs().max()) / scale if value.numel() else 0.0
        assert found[name].shape == value.shape, name
        if not difference <= worst:
            worst, where = difference, name
    return worst, len(expected), where


@pytest.mark.parametrize(("name", "size"), [("resnet18", 64), ("mobilenet_v3_small", 64), ("swin_t", 64)])
def test_torchvision(name: str, size: int) -> None:
    if find_spec("torchvision") is None:
        pytest.skip("needs torchvision")
    models = import_torchvision().models
    worst, count, where = worst_difference(models.get_model(name, weights=None).eval(), size)
    assert count > 30
    assert worst < 1e-4, where


@pytest.mark.parametrize(("name", "size"), [("resnet18", 64), ("tf_efficientnetv2_b0", 96)])
def test_timm(name: str, size: int) -> None:
    timm = pytest.importorskip("timm", reason="needs timm")
    worst, count, where = worst_difference(timm.create_model(name).eval(), size)
    assert count > 30
    assert worst < 1e-4, where
