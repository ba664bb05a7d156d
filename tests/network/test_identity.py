"""What two networks share when they are the same, and what tells them apart: caches and recipes go by it."""

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from convscope.cache import cache_folder, cache_key
from convscope.dreaming.deep_dream import dream_of
from convscope.errors import ConvscopeWarning, NetworkFileError, RecipeError
from convscope.formats.caffe.layers import register_layer
from convscope.formats.opening import open_network
from convscope.formats.registration import CUSTOM_LAYERS
from convscope.jobs import checkpoint_of
from convscope.measuring.strongest import QUANTILES, Strongest, find_strongest, keep_strongest
from convscope.network.network import Network
from convscope.network.operations import OPERATIONS
from convscope.optimization.feature_visualization import feature_visualization
from convscope.rerunning import rerun
from convscope.web.session import Session
from planted import edge_picture, planted_files, planted_network


class Two(nn.Module):
    """Two convolutions and what `way` makes of them."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.a, self.b, self.way = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), way

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.a(x).relu() - self.b(x) if self.way == "minus" else self.a(x) * self.b(x)
        return out


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(3)
    save_file(Two("").state_dict(), tmp_path / "two.safetensors")
    return tmp_path / "two.safetensors"


def opened(weights: Path, way: str, **options: object) -> Network:
    return open_network(weights, architecture=Two(way), input_shape=(1, 3, 17, 19), **options)  # type: ignore[arg-type]


def picture_of(network: Network, layer: str) -> np.ndarray:
    (found,) = feature_visualization(network, f"{layer}:1", steps=2, size=24)
    return found.array


def test_the_cache_tells_the_same_weights_in_another_architecture(weights: Path) -> None:
    first, second = opened(weights, "minus"), opened(weights, "times")
    pictures = [picture_of(network, network.graph.outputs[0]) for network in (first, second)]
    assert not np.array_equal(*pictures)
    assert first.identity == opened(weights, "minus").identity != second.identity


def test_the_cache_tells_other_preprocessing(weights: Path) -> None:
    plain, gray = opened(weights, "times"), opened(weights, "times", mean=(0.5, 0.5, 0.5))
    assert plain.sha256 == gray.sha256
    assert plain.identity != gray.identity
    assert not np.array_equal(
        picture_of(plain, plain.graph.outputs[0]), picture_of(gray, gray.graph.outputs[0])
    )


def test_rules_tell_networks_apart(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(
        """layer { name: "d" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 5 } } }
        layer { name: "a" type: "ReLU" bottom: "data" top: "a" include { stage: "x" } }
        layer { name: "a" type: "TanH" bottom: "data" top: "a" exclude { stage: "x" } }"""
    )
    assert open_network(path).identity != open_network(path, rules={"stages": ["x"]}).identity


@pytest.mark.parametrize("name", ["net.convscope", "net.caffemodel", "net.onnx"])
def test_a_file_replaced_after_opening_is_not_what_was_opened(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    first = open_network(planted_files(tmp_path / "network"))
    path = first.save(tmp_path / name)
    other = first.with_parameters({"conv1.weight": torch.rand(8, 3, 5, 5)})
    network = open_network(path)
    other.save(path)  # another file takes its place before a number of the first was read
    expected = first.parameters["conv1.weight"]
    assert any(
        value.shape == expected.shape and value.equal(expected) for value in network.parameters.values()
    )
    assert open_network(path).sha256 != network.sha256
    (picture,) = feature_visualization(network, "conv2:0", steps=2, size=24)
    assert picture.recipe is not None and picture.recipe.network_sha256 == network.sha256
    with pytest.raises(RecipeError, match="has changed since"):
        rerun(picture.recipe)


def test_names_and_notes_are_no_part_of_it_and_every_number_is() -> None:
    network = planted_network()
    assert network.sha256 == planted_network(name="another", labels=None).sha256
    graph = network.graph
    bias = network.parameters["conv2.bias"].clone()
    bias[1] += 1e-6
    others = [
        network.with_parameters({"conv2.bias": bias}).sha256,
        planted_network(layer_names={"conv1": "first"}).sha256,
        planted_network(channels_last=True).sha256,
        Network(replace(graph, outputs=("scores",)), input_spec=network.input_spec).sha256,
        Network(replace(graph, operations=graph.operations[:-1]), input_spec=None).sha256,
    ]
    assert len({network.sha256, *others}) == 6


def test_strongest_activations_are_one_networks(weights: Path) -> None:
    first, second = opened(weights, "minus"), opened(weights, "times")
    served = [Session(first).identity]
    for _ in range(2):
        keep_strongest(first, Strongest({"a": torch.rand(4, 2, len(QUANTILES))}, 5, first.identity))
        assert find_strongest(first) is not None
        served.append(Session(first).identity)  # a browser keeps no verdict beside other activations
    assert len({*served}) == 3
    assert find_strongest(second) is None


def test_a_damaged_measurement_is_none(weights: Path) -> None:
    network = opened(weights, "minus")
    keep_strongest(network, Strongest({"a": torch.rand(4, 2, len(QUANTILES))}, 5, network.identity))
    (path,) = cache_folder("strongest").iterdir()
    path.write_bytes(b"nonsense")
    assert find_strongest(network) is None
    assert not path.exists()


def test_the_built_in_networks_measurement_is_its_own() -> None:
    network = open_network("builtin")
    found = find_strongest(network)
    assert found is not None and found.network_sha256 == network.identity


def test_other_code_has_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key("a", 1)
    assert before == cache_key("a", 1) != cache_key("a", 2)
    monkeypatch.setattr("convscope.cache.code_version", lambda: "another")
    assert cache_key("a", 1) != before


def test_a_cache_that_cannot_be_made_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(ConvscopeWarning, match="is not used .*CONVSCOPE_CACHE"):
        folder = cache_folder("features")
    (folder / "made").write_text("here")
    assert cache_folder("features") == folder


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copy_gives_the_same_bits(copied: object, tmp_path: Path) -> None:
    network = open_network(planted_files(tmp_path))
    picture = edge_picture()
    before = network.activations(network.preprocess(picture))
    again: Network = copied(network)  # type: ignore[operator]
    assert again.identity == network.identity
    assert (again.labels, again.origin, again.name) == (network.labels, network.origin, network.name)
    after = again.activations(again.preprocess(picture))
    assert all(torch.equal(before[name], after[name]) for name in before)
    again.parameters["conv1.weight"].zero_()
    assert torch.equal(network.activations(network.preprocess(picture))["conv1"], before["conv1"])


@pytest.mark.slow
def test_another_process_gives_the_same_bits(tmp_path: Path) -> None:
    network = planted_network()
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = network.activations(x, network.class_output)[network.class_output]
    (tmp_path / "network.pickle").write_bytes(pickle.dumps((network, x)))
    code = (
        f"import pickle; n, x = pickle.load(open({str(tmp_path / 'network.pickle')!r}, 'rb')); "
        "print(n.sha256, n.activations(x, n.class_output)[n.class_output].numpy().tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [network.sha256, expected.numpy().tobytes().hex()]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_was_forked_behind_threads_gives_the_same_bits() -> None:
    """OpenMP's threads do not come along: a child that computed on two waited for the other one forever."""
    code = (
        "import os, sys, torch; from planted import planted_network; torch.set_num_threads(2)\n"
        "network, x = planted_network(), torch.ones(1, 3, 256, 256)\n"
        "def bits():\n"
        "    values = network.activations(x, 'conv1')['conv1'], network.gradient(x, 'conv1:0')\n"
        "    return b''.join(one.numpy().tobytes() for one in values)\n"
        "before, child = bits(), os.fork()\n"
        "if not child: os._exit(bits() != before)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)


TAUGHT = """
layer { name: "d" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 17 dim: 19 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 3
  weight_filler { type: "xavier" } } }
layer { name: "s" type: "swish" bottom: "c" top: "s" }
"""


def test_a_network_with_a_taught_layer_is_as_much_the_same_as_the_function(tmp_path: Path) -> None:
    """What was opened with one function stays so, and convscope's own operation of that name too."""
    (tmp_path / "net.prototxt").write_text(TAUGHT)
    x, own = torch.randn(1, 3, 17, 19), OPERATIONS["swish"]
    networks = []
    for function in (lambda x: x.relu(), lambda x: -x.relu(), lambda x: x.relu()):
        register_layer("swish", function)
        with pytest.warns(ConvscopeWarning, match="random"):
            networks.append(open_network(tmp_path / "net.prototxt"))
    first, second, third = networks
    assert first.identity == third.identity != second.identity
    convolved = first.activations(x, "c")["c"]
    assert torch.equal(first.activations(x, "s")["s"], convolved.relu())
    assert torch.equal(second.activations(x, "s")["s"], -convolved.relu())
    assert OPERATIONS["swish"] is own
    saved = second.save(tmp_path / "net.convscope")
    assert torch.equal(open_network(saved).activations(x, "s")["s"], convolved.relu())  # as it is taught now
    CUSTOM_LAYERS.clear()
    with pytest.raises(
        NetworkFileError, match=r"type 'swish' was taught where this was saved: teach it here"
    ):
        open_network(saved)


def test_a_run_of_another_network_in_memory_is_not_gone_on_with(weights: Path) -> None:
    """Nor one with another picture in memory: a page's are, all of them."""
    of = dream_of(opened(weights, "minus"), "chelsea", "a", steps=1, size=40)
    one, other = (open_network(Two(way), input_shape=(1, 3, 17, 19)) for way in ("minus", "times"))
    layer = next(name for name in one.layers if name in other.layers and name != next(iter(one.graph.inputs)))
    keys = [
        checkpoint_of(dream_of(net, "chelsea", layer, size=40).recipe, net).path for net in (one, one, other)
    ]
    assert keys[0] == keys[1] != keys[2] and checkpoint_of(of.recipe, of.network).path not in keys
    styles = [
        np.full((30, 30, 3), level, np.uint8) * np.eye(30, dtype=np.uint8)[..., None] for level in (200, 90)
    ]
    made = [
        checkpoint_of(dream_of(one, "chelsea", layer, size=40, guide=style).recipe, one).path
        for style in styles
    ]
    assert made[0] != made[1]
