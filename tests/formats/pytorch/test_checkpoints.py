"""Checkpoints as the libraries write that people train with: their weights open, what is left is told."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from convscope.errors import ConvscopeWarning, InputError, NetworkFileError
from convscope.formats.opening import open_network


class Small(nn.Module):
    """What all of these files hold."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu())


def assert_opens(path: Path) -> None:
    torch.manual_seed(1)
    network = open_network(path, architecture=Small, input_shape=(1, 3, 8, 8))
    x = torch.randn(2, 3, 8, 8)
    found = network.activations(x, "head")["head"]
    torch.testing.assert_close(found, Small()(x).detach(), rtol=1e-5, atol=1e-6)


@pytest.fixture
def classes() -> Iterator[Any]:
    """Classes of libraries that are not installed while the file is read, by their full names."""
    made: list[str] = []

    def named(full: str, *bases: type) -> Any:
        home, _, name = full.rpartition(".")
        parts = home.split(".")
        for end in range(1, len(parts) + 1):
            module = ".".join(parts[:end])
            if module not in sys.modules:
                sys.modules[module] = ModuleType(module)
                made.append(module)
        kind = type(name, bases or (object,), {"__module__": home, "__qualname__": name})
        setattr(sys.modules[home], name, kind)
        return kind

    named.forget = lambda: [sys.modules.pop(module) for module in made]  # type: ignore[attr-defined]
    yield named
    for module in made:
        sys.modules.pop(module, None)


def _lightning(named: Any) -> Any:
    settings = named("lightning_stand_in.fabric.AttributeDict", dict)
    return {
        "epoch": 3,
        "pytorch-lightning_version": "2.1",
        "state_dict": {f"model.{key}": value for key, value in Small().state_dict().items()},
        "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.tensor(0.3)}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(4, 3, 3, 3)}}, "param_groups": []}],
        "hyper_parameters": settings(lr=0.1),
    }


def _fastai(named: Any) -> Any:
    learner = named("fastai_stand_in.learner.Learner")()
    learner.model, learner.opt = named("fastai_stand_in.vision.Net", Small)(), None
    learner.loss_func = named("fastai_stand_in.losses.Loss")()
    return learner


def _ultralytics(named: Any) -> Any:
    return {"epoch": -1, "model": named("ultralytics_stand_in.nn.tasks.DetectionModel", Small)(), "ema": None}


def _mmengine(named: Any) -> Any:
    hub = {"loss": named("mmengine_stand_in.logging.HistoryBuffer")()}
    state = Small().state_dict()
    return {"meta": {"cfg": ""}, "state_dict": state, "message_hub": hub, "optimizer": {"state": {}}}


def _parallel(named: Any) -> Any:
    return nn.DataParallel(named("somebodys_own.Net", Small)())


SAVED = {
    "lightning.ckpt": (
        _lightning,
        "its 'state_dict' are the weights, left aside: epoch",
        "10 tensors|4 tensors",
    ),
    "export.pkl": (
        _fastai,
        "its 'model' are the weights, left aside: .*loss_func",
        "fastai_stand_in.vision.Net",
    ),
    "yolov8n.PT": (
        _ultralytics,
        "its 'model' are the weights, left aside: epoch, ema",
        "DetectionModel, saved whole",
    ),
    "latest": (
        _mmengine,
        "its 'state_dict' are the weights, left aside: meta, message_hub, optimizer",
        "4 tensors",
    ),
    "resnet18.tar": (_parallel, "", "a somebodys_own.Net, saved whole"),
}


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
@pytest.mark.parametrize("name", SAVED)
def test_the_weights_in_what_libraries_save_open(name: str, tmp_path: Path, classes: Any) -> None:
    make, left, held = SAVED[name]
    torch.save(make(classes), tmp_path / name)
    classes.forget()
    if left:
        with pytest.warns(ConvscopeWarning, match=left):
            assert_opens(tmp_path / name)
    assert_opens(tmp_path / name)
    with pytest.raises(NetworkFileError, match=held) as caught:
        open_network(tmp_path / name)
    assert "resnet" not in str(caught.value).replace(name, "") and "several" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
def test_what_lies_beside_the_weights_is_called_what_it_is(tmp_path: Path, classes: Any) -> None:
    module = Small()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.randn(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    torch.save(classes("transformers_stand_in.Arguments")(), tmp_path / "training_args.bin")
    classes.forget()
    torch.save(module.state_dict(), tmp_path / "__0_0.distcp")
    said = {
        "optimizer.pt": "holds what an optimizer remembers and no weights",
        "training_args.bin": "holds no weights but a transformers_stand_in.Arguments, and convscope runs no code",
        "__0_0.distcp": "is part of a distributed checkpoint of PyTorch's: .*dcp_to_torch",
    }
    for name, words in said.items():
        with pytest.raises(NetworkFileError, match=words):
            open_network(tmp_path / name, architecture=Small)


def test_safetensors_in_capitals(tmp_path: Path) -> None:
    save_file(Small().state_dict(), tmp_path / "MODEL.SAFETENSORS")
    assert_opens(tmp_path / "MODEL.SAFETENSORS")


class Sound(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 3)

    def forward(self, x: Tensor, rate: int) -> Tensor:
        return self.conv(x) * rate


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
@pytest.mark.parametrize("how", ["live", "script", "file"])
def test_an_argument_that_is_no_tensor_is_named(how: str, tmp_path: Path) -> None:
    source: Any = Sound().eval() if how == "live" else torch.jit.script(Sound().eval())
    if how == "file":
        source.save(str(tmp_path / "sound.jit"))
        source = tmp_path / "sound.jit"
    with pytest.raises(
        InputError, match=r"forward\(\) takes 'rate' of type int, which is no tensor: put the value"
    ):
        open_network(source)
