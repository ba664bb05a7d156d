"""Verdicts and the yardstick: what real pictures make a unit answer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convscope.errors import NetworkFileError, PictureError
from convscope.formats.opening import open_network
from convscope.measuring.measure import measure
from convscope.measuring.picture_list import list_pictures
from convscope.measuring.strongest import QUANTILES, Strongest, find_strongest, keep_strongest, strongest_of
from convscope.network.network import Network
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.objectives import unit
from convscope.optimization.verdict import Verdict, judge
from planted import planted_files, planted_network


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    (folder / "more").mkdir(parents=True)
    random = np.random.default_rng(0)
    for index in range(5):
        pixels = random.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / ("more" if index % 2 else "") / f"{index}.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_the_strongest_are_those_of_each_picture_as_the_network_eats_it(photographs: Path) -> None:
    network = planted_network()
    paths = [one.path for one in list_pictures(photographs)]
    found = strongest_of(measure(network, photographs))
    assert found.layers["prob"].shape == (3, 2, len(QUANTILES))
    for name in ("conv1", "pool1", "conv2"):
        answers = [network.activations(network.preprocess(path), name)[name].flatten(2)[0] for path in paths]
        means = np.stack([answer.mean(1).numpy() for answer in answers])
        highest = np.stack([answer.amax(1).numpy() for answer in answers])
        assert found.layers[name].shape == (means.shape[1], 2, len(QUANTILES))
        np.testing.assert_allclose(
            found.layers[name][:, 0], np.quantile(means, QUANTILES, axis=0).T, rtol=1e-4, atol=1e-6
        )
        np.testing.assert_allclose(found.layers[name][:, 1, -1], highest.max(0), rtol=1e-4, atol=1e-6)


def test_a_verdict_measures_the_picture_as_it_is() -> None:
    network = planted_network()
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    pictures[1, 0] = 1
    objectives = [unit(network, "conv1:0"), unit(network, "conv1:0")]  # each a group of its own
    strongest = Strongest({"conv1": torch.full((8, 2, len(QUANTILES)), 0.25)}, 7)
    verdicts = judge(objective_batch(network, objectives), pictures, strongest)
    for picture, verdict in zip(pictures, verdicts, strict=True):
        answer = network.activations(network.preprocess(picture.permute(1, 2, 0).numpy()), "conv1:0")[
            "conv1:0"
        ]
        assert verdict.reached == pytest.approx(answer.mean().item(), rel=1e-4)
        assert verdict.highest == pytest.approx(answer.max().item(), rel=1e-4)
        assert verdict.ratio == pytest.approx(verdict.reached / 0.25)
        gray = network.activations(network.preprocess(np.full((32, 32, 3), 0.5, "float32")), "conv1:0")[
            "conv1:0"
        ]
        assert verdict.plain == pytest.approx(gray.mean().item(), rel=1e-4)
        assert verdict.pictures == 7


def test_verdicts_in_words() -> None:
    assert str(Verdict(31.25, 40, 1)) == "activation 31.25"
    assert (
        str(Verdict(31.25, 40, 1, 10.0, 20.0, 1000))
        == "activation 31.25, 3.1 × the strongest of 1,000 photographs"
    )
    assert (
        str(Verdict(31.25, 40, 1, 0.0, 0.0, 500)) == "activation 31.25; none of 500 photographs activates it"
    )
    assert str(Verdict(0, 0, 0, 1.0, 1.0, 500)) == "this unit could not be activated"


def test_neurons_and_layers_have_no_yardstick() -> None:
    network = planted_network()
    strongest = Strongest({"conv1": torch.ones(8, 2, len(QUANTILES))}, 7)
    objectives = [unit(network, "conv1:0@3,3"), unit(network, "conv1")]
    for verdict in judge(objective_batch(network, objectives), torch.ones(2, 3, 32, 32), strongest):
        assert verdict.strongest is None
        assert verdict.reached > 0


def opened(folder: Path) -> Network:
    return open_network(planted_files(folder))


def test_a_measurement_is_kept_in_the_cache_and_shipped_beside_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    network = opened(tmp_path / "network")
    assert find_strongest(network) is None
    measured = Strongest({"conv1": torch.rand(8, 2, len(QUANTILES))}, 12, network.identity)
    keep_strongest(network, measured)
    found = find_strongest(network)
    assert found is not None and found.pictures == 12
    assert torch.equal(found.layers["conv1"], measured.layers["conv1"])
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "empty"))
    assert find_strongest(network) is None
    measured.save(tmp_path / "network" / "planted.strongest.safetensors")
    assert find_strongest(network) is not None
    Strongest(measured.layers, 12, "another network's hash").save(
        tmp_path / "network" / "planted.strongest.safetensors"
    )
    assert find_strongest(network) is None


def test_other_files_and_empty_folders_are_told(tmp_path: Path) -> None:
    (tmp_path / "wrong.safetensors").write_bytes(b"wrong")
    with pytest.raises(NetworkFileError, match="does not hold strongest"):
        Strongest.open(tmp_path / "wrong.safetensors")
    with pytest.raises(PictureError, match="no picture in"):
        list_pictures(tmp_path)
