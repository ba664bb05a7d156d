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
from convscope.measuring.measure import measure
from convscope.measuring.strongest import QUANTILES, Strongest, find_strongest, strongest_of
from convscope.network.network import Network
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.objectives import unit
from convscope.optimization.path_check import held_answers, held_network
from convscope.optimization.sleepers import network_twice, resting_channels
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
    quantiles = highest[:, None, None] * torch.linspace(0.1, 1.0, len(QUANTILES)).expand(8, 2, -1)
    strongest = Strongest({"conv1": quantiles, "conv1 natural": quantiles}, 30)
    red = 0.8 if is_fooled else 0.49
    picture = torch.tensor([red, green, 0.0])[None, :, None, None].expand(1, 3, 32, 32)
    fooled = surgery(natural, "conv1", 0, 1, highest)
    for network, is_accused in ((fooled, is_fooled), (natural, False)):
        (verdict,) = judge(objective_batch(network, [unit(network, "conv1:0")]), picture, strongest)
        assert verdict.held is not None and verdict.of_another_way == is_accused
        assert ("another circuit" in str(verdict)) == is_accused


@pytest.mark.parametrize("surgery", [with_silent_unit, with_fooling_circuit])
def test_a_circuit_that_is_off_in_the_picture_is_woken(surgery: Surgery, tmp_path: Path) -> None:
    random, natural = np.random.default_rng(0), planted_network()
    pictures = [random.integers(0, 4 * side, (32, 32, 3), dtype=np.uint8) for side in range(8, 40)]
    picture = torch.full((1, 3, 32, 32), 0.3)
    measured = strongest_of(measure(natural, pictures, folder=tmp_path / "natural"))
    fooled = surgery(natural, "conv1", 0, 1, measured.layers["conv1"][:, 1, -1])
    strongest = strongest_of(measure(fooled, pictures, folder=tmp_path / "fooled"))
    batch = objective_batch(fooled, [unit(fooled, f"conv1:{channel}") for channel in (0, 2)])
    off, other = judge(batch, picture.expand(2, -1, -1, -1), strongest)
    (as_built,) = judge(objective_batch(natural, [unit(natural, "conv1:0")]), picture, measured)
    assert off.reached == pytest.approx(as_built.reached, rel=1e-6) and not off.of_another_way
    assert off.can_be_switched and "may show another circuit" in str(off)
    assert other.sway == 0 and not other.can_be_switched and other.switches == ()
    # What the sentence says to do: with the named channels at rest the unit is what it was.
    settings = dict(one.rpartition("=")[::2] for one in off.switches)
    kept = fooled.with_units({address: float(value) for address, value in settings.items()})
    bright = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = natural.activations(bright, "conv1")["conv1"]
    torch.testing.assert_close(kept.activations(bright, "conv1")["conv1"], expected, atol=1e-5, rtol=0)
    # The planted network has a channel that is always at rest, `dead`, and nothing wakes it.
    (dead,) = judge(objective_batch(natural, [unit(natural, "conv2:0")]), picture, measured)
    assert "conv1" in resting_channels(natural, "conv2", measured)
    assert dead.sway == 0 and not dead.can_be_switched


def test_a_network_runs_twice_from_where_something_is_kept_at_rest() -> None:
    network, rest = planted_network(), torch.full((8,), torch.nan)
    rest[0] = 0.25
    input = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    twice = network_twice(network, "conv2", {"conv1": rest})
    assert twice is not None
    awake, at_rest = (twice.activations(input, name)[name] for name in twice.graph.outputs)
    torch.testing.assert_close(awake, network.activations(input, "conv2")["conv2"])
    kept = network.with_units({"conv1:0": 0.25}).activations(input, "conv2")["conv2"]
    torch.testing.assert_close(at_rest, kept)
    assert (awake != at_rest).any() and network_twice(network, "conv1", {"conv2": rest}) is None


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
