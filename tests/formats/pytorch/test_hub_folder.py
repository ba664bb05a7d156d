"""Folders as the Hugging Face hub has them: weights in one file or in shards, timm's name, labels, preprocessing."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import convscope
from convscope.errors import NetworkFileError, WeightsMismatch

CLASSES = 5
X = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(4))


def small(num_classes: int = CLASSES) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)
    )


def trained() -> nn.Sequential:
    torch.manual_seed(6)
    return small().eval()


def written(folder: Path, config: dict[str, Any], state: dict[str, Tensor]) -> Path:
    """Write a folder with its weights in one file, with the metadata that the hub's files have."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def sharded(folder: Path, state: dict[str, Tensor], ending: str = "safetensors") -> Path:
    """Write a folder with its weights in two files and their list; give the list."""
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    stem = "model" if ending == "safetensors" else "pytorch_model"
    placed = {name: f"{stem}-0000{1 + at % 2}-of-00002.{ending}" for at, name in enumerate(state)}
    for file in set(placed.values()):
        part = {name: tensor for name, tensor in state.items() if placed[name] == file}
        if ending == "safetensors":
            save_file(part, folder / file, metadata={"format": "pt"})
        else:
            torch.save(part, folder / file)
    index = folder / f"{stem}.{ending}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": placed}))
    return index


def answer(network: convscope.Network) -> Tensor:
    (output,) = network.graph.outputs
    return network.activations(X, output)[output]


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_shards_are_one_network(tmp_path: Path, ending: str, precision: torch.dtype) -> None:
    module = trained()
    state = {name: tensor.to(precision) for name, tensor in module.state_dict().items()}
    index = sharded(tmp_path / "model", state, ending)
    module.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    for source in (index.parent, index):
        network = convscope.open_network(source, architecture=small, input_shape=tuple(X.shape))
        torch.testing.assert_close(answer(network), module(X).detach(), rtol=1e-5, atol=1e-6)
        (index.parent / "config.json").unlink(missing_ok=True)
    convscope.open_network(index.parent, architecture=small, input_shape=tuple(X.shape))
    torch.save({}, index.parent / "another.bin")
    with pytest.raises(NetworkFileError, match="holds several"):
        convscope.open_network(index.parent, architecture=small)


def test_a_shard_says_what_to_open_and_a_missing_one_is_named(tmp_path: Path) -> None:
    index = sharded(tmp_path / "model", trained().state_dict())
    first = tmp_path / "model" / "model-00001-of-00002.safetensors"
    with pytest.raises(
        NetworkFileError, match=r"one part of a network's weights: open .*model.safetensors.index.json"
    ):
        convscope.open_network(first)
    first.unlink()
    with pytest.raises(
        NetworkFileError, match=r"1 of them are not beside it, 'model-00001-of-00002\.safetensors'"
    ):
        convscope.open_network(index, architecture=small)
    for named in ("../elsewhere.safetensors", "..", "/etc/passwd", "..\\elsewhere.safetensors"):
        index.write_text(json.dumps({"weight_map": {"0.weight": named}}))
        with pytest.raises(NetworkFileError, match="which is not in the folder of the list"):
            convscope.open_network(index, architecture=small)
    for named in (["model-00002-of-00002.safetensors"], 3):
        index.write_text(json.dumps({"weight_map": {"0.weight": named}}))
        with pytest.raises(NetworkFileError, match="lists no files of weights"):
            convscope.open_network(index, architecture=small)


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with one network; nothing of it is read for another."""
    made = SimpleNamespace(
        is_model=lambda name: name == "tiny",
        list_models=lambda: ["tiny"],
        models=SimpleNamespace(get_pretrained_cfg=lambda name: None),
        create_model=lambda name, pretrained, num_classes: small(num_classes or 9),
    )
    monkeypatch.setitem(sys.modules, "timm", made)


@pytest.mark.usefixtures("timm")
def test_a_folder_of_timms_says_all_itself(tmp_path: Path) -> None:
    module = trained()
    said = {"input_size": [3, 12, 12], "mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.25], "crop_pct": 0.8}
    config = {
        "architecture": "tiny",
        "num_classes": CLASSES,
        "pretrained_cfg": said,
        "label_names": list("abcde"),
    }
    folder = written(tmp_path / "hub", config | {"label_descriptions": {"a": "an ant"}}, module.state_dict())
    network = convscope.open_network(folder)
    torch.testing.assert_close(answer(network), module(X).detach())
    assert network.labels == ("an ant", "b", "c", "d", "e")
    spec = network.input_spec
    assert spec is not None
    assert (spec.size, spec.mean, spec.resize_size) == ((12, 12), (0.1, 0.2, 0.3), 15)
    np.testing.assert_allclose(spec.input_scale, (2, 2, 4))


def test_a_folder_of_transformers_needs_its_module_and_knows_the_rest(tmp_path: Path) -> None:
    config = {
        "architectures": ["TinyForImageClassification"],
        "id2label": {str(n): f"class {n}" for n in range(5)},
    }
    folder = written(tmp_path / "hub", config, trained().state_dict())
    said = {"size": {"shortest_edge": 16}, "do_center_crop": True, "crop_size": {"height": 12, "width": 12}}
    said |= {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.5, 0.5], "resample": 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    for source in (folder, folder / "model.safetensors"):
        with pytest.raises(NetworkFileError, match=r"--architecture"):
            convscope.open_network(source)
    with pytest.raises(NetworkFileError, match="transformers' TinyForImageClassification"):
        convscope.open_network(folder)
    network = convscope.open_network(folder, architecture=small)
    assert network.labels == tuple(f"class {n}" for n in range(5))
    spec = network.input_spec
    assert spec is not None
    assert (spec.size, spec.resize_size, spec.mean) == ((12, 12), 16, (0.5, 0.5, 0.5))


def test_labels_of_another_count_are_not_the_networks(tmp_path: Path) -> None:
    folder = written(tmp_path / "hub", {"id2label": {"0": "cat", "1": "dog"}}, trained().state_dict())
    assert not convscope.open_network(folder, architecture=small, input_shape=tuple(X.shape)).labels


@pytest.mark.parametrize("text", ["[]", "{", '{"architecture": "tiny", "mean": 3}'])
@pytest.mark.usefixtures("timm")
def test_a_damaged_configuration_is_one_line(tmp_path: Path, text: str) -> None:
    folder = written(tmp_path / "hub", {}, trained().state_dict())
    (folder / "config.json").write_text(text)
    with pytest.raises(NetworkFileError):
        convscope.open_network(folder)


_TRANSFORMERS = """
import json
from torch import nn
from safetensors.torch import load_file

class Config:
    def __init__(self, width): self.width = width
    @classmethod
    def from_pretrained(cls, folder): return cls(json.loads((folder / "config.json").read_text())["width"])

class TinyModel(nn.Module):
    config_class = Config
    def __init__(self, config):
        super().__init__()
        self.conv = nn.Conv2d(3, config.width, 3)
    def forward(self, pixel_values): return self.conv(pixel_values).tanh()
    @classmethod
    def from_pretrained(cls, folder, **keywords):
        assert keywords == {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
        module = cls(Config.from_pretrained(folder))
        missing, _ = module.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        return module, {"missing_keys": set(missing), "mismatched_keys": set()}
"""


@pytest.fixture
def transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stand-in with one class, which makes its network of a configuration's width."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "transformers.py").write_text(_TRANSFORMERS)
    monkeypatch.syspath_prepend(tmp_path / "library")
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    yield
    sys.modules.pop("transformers", None)


@pytest.mark.usefixtures("transformers")
def test_a_folder_of_transformers_opens_where_that_is_installed(tmp_path: Path) -> None:
    conv = nn.Conv2d(3, 2, 3)
    state = {f"conv.{name}": tensor for name, tensor in conv.state_dict().items()}
    folder = written(tmp_path / "hub", {"architectures": ["TinyModel"], "width": 2}, state)
    network = convscope.open_network(folder, input_shape=tuple(X.shape))
    torch.testing.assert_close(answer(network), conv(X).tanh().detach())
    save_file({"conv.weight": state["conv.weight"]}, folder / "model.safetensors")
    with pytest.raises(WeightsMismatch, match=r"TinyModel: 1 parameters are not in it, 'conv\.bias' first"):
        convscope.open_network(folder)
    for width, message in (
        (2_000_000, "speaks of 56,000,000 numbers"),
        ("x", "transformers makes no TinyModel"),
    ):
        (folder / "config.json").write_text(json.dumps({"architectures": ["TinyModel"], "width": width}))
        with pytest.raises(NetworkFileError, match=message):
            convscope.open_network(folder)
