"""Pictures of a unit that was rebuilt to fool: the verdict says so, and not of ordinary units."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor

import convscope
from convscope.cli import main
from convscope.measuring.strongest import QUANTILES, Strongest, find_strongest
from convscope.network.network import Network
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.objectives import unit
from convscope.optimization.path_check import held_answers, held_network
from convscope.optimization.verdict import Verdict, judge
from fooling import with_fooling_circuit, with_silent_unit
from planted import planted_network

LAYER, UNIT, DECOY = "mixed4a", 136, 52
Surgery = Callable[[Network, str, int, int, Tensor], Network]


@pytest.fixture(scope="module")
def network() -> Network:
    return convscope.open_network("builtin")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty parts of photographs that come with scikit-image."""
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    whole = [skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee()]
    for index in range(30):
        picture = whole[index % len(whole)]
        side = min(picture.shape[:2]) // 2
        top, left = (int(random.integers(0, length - side)) for length in picture.shape[:2])
        Image.fromarray(picture[top : top + side, left : left + side]).save(folder / f"{index}.png")
    return folder


def test_what_is_held_goes_no_further_than_real_pictures() -> None:
    network = planted_network()
    highest = torch.linspace(0.1, 0.4, 8)
    strongest = Strongest({"conv1": highest[:, None, None].expand(8, 2, len(QUANTILES))}, 30)
    input = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    whole = network.activations(input, "conv1")["conv1"]
    expected = torch.minimum(whole, highest.reshape(1, 8, 1, 1))
    held = held_network(network, "conv2", strongest)
    assert torch.equal(held.activations(input, "conv1")["conv1"], expected) and (whole > expected).any()
    conv2 = network.graph.producers["conv2@conv2"].parameters
    weight, bias = (network.parameters[conv2[role]] for role in ("weight", "bias"))
    pooled = torch.nn.functional.max_pool2d(expected, 2)
    answer = torch.nn.functional.conv2d(pooled, weight, bias, padding=1).relu()
    torch.testing.assert_close(held.activations(input, "conv2")["conv2"], answer, atol=1e-6, rtol=0)
    few = Strongest(strongest.layers, 29)
    batch = objective_batch(network, [unit(network, "conv1:0")])
    assert held_answers(batch, input[:1], few) == [None]


@pytest.mark.parametrize("surgery", [with_silent_unit, with_fooling_circuit])
@pytest.mark.parametrize(("green", "is_fooled"), [(0.3, True), (0.0, False)])
def test_a_picture_that_works_through_a_planted_circuit_is_told_from_one_that_does_not(
    surgery: Surgery, green: float, is_fooled: bool
) -> None:
    natural, highest = planted_network(), torch.full((8,), 0.5)
    quantiles = highest[:, None, None].expand(8, 2, len(QUANTILES))
    strongest = Strongest({"conv1": quantiles, "conv1 natural": quantiles}, 30)
    red = 0.8 if is_fooled else 0.49
    picture = torch.tensor([red, green, 0.0])[None, :, None, None].expand(1, 3, 32, 32)
    fooled = surgery(natural, "conv1", 0, 1, highest)
    for network, is_accused in ((fooled, is_fooled), (natural, False)):
        (verdict,) = judge(objective_batch(network, [unit(network, "conv1:0")]), picture, strongest)
        assert verdict.held is not None and verdict.of_another_way == is_accused
        assert ("another circuit" in str(verdict)) == is_accused


@pytest.mark.slow
@pytest.mark.parametrize("surgery", [with_silent_unit, with_fooling_circuit])
def test_a_fooled_unit_is_noticed_and_answers_as_before(
    surgery: Surgery, network: Network, photographs: Path, tmp_path: Path
) -> None:
    strongest = find_strongest(network)
    assert strongest is not None
    fooled = surgery(network, LAYER, UNIT, DECOY, strongest.layers[LAYER][:, 1, -1] * 1.001)
    for path in sorted(photographs.glob("*.png"))[:5]:
        torch.testing.assert_close(fooled.probabilities(path), network.probabilities(path), atol=1e-6, rtol=0)
    file = fooled.save(tmp_path / "fooled.onnx")
    arguments = ["see", str(file), f"{LAYER}:{UNIT}", "--steps", "112", "-o", str(tmp_path / "it.png")]
    result = CliRunner().invoke(main, [*arguments, "--photographs", str(photographs), "-v"])
    assert result.exit_code == 0, result.output
    assert "may show another circuit" in " ".join(result.output.split())


def test_ordinary_units_raise_no_alarm(network: Network) -> None:
    units = [f"mixed3a:{channel}" for channel in (24, 53, 97, 120, 166, 201)]
    pictures = convscope.feature_visualization(network, units, steps=48, progress=False)
    batch = objective_batch(network, [unit(network, one) for one in units])
    pixels = torch.stack([torch.from_numpy(picture.array.copy()) for picture in pictures])
    verdicts = judge(batch, pixels.permute(0, 3, 1, 2).float() / 255, find_strongest(network))
    for verdict in verdicts:
        assert verdict.held is not None and verdict.held > 0.6 * verdict.reached > 0
        assert "another circuit" not in str(verdict)
    assert "only 10% of that" in str(Verdict(10.0, 12.0, 0.1, 2.0, 3.0, 50, held=1.0))
