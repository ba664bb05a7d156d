"""Files of weights, networks by name, and what is wrong with those that do not open."""

import argparse
import os
import pickle
import re
import struct
import subprocess
import sys
import warnings
import zipfile
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from convscope.errors import ConvscopeWarning, InputError, MissingPackage, NetworkFileError, WeightsMismatch
from convscope.formats.opening import open_network
from convscope.formats.pytorch import libraries


class Small(nn.Module):
    """A network with a convolution and a head."""

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.conv, self.bn, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.bn(self.conv(x))).mean((2, 3)))


@pytest.fixture
def module() -> Small:
    torch.manual_seed(0)
    return Small().eval()


def assert_opens(path: Path, module: nn.Module, architecture: Any = Small) -> None:
    network = open_network(path, architecture=architecture, input_shape=(1, 3, 16, 16))
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        network.activations(x, "head")["head"], module(x).detach(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["small.pth", "small.pt", "small.pth.tar", "small.ckpt", "small.bin"])
def test_a_file_of_weights_and_the_network_they_are_for(
    module: Small, tmp_path: Path, name: str, zipped: bool
) -> None:
    torch.save(module.state_dict(), tmp_path / name, _use_new_zipfile_serialization=zipped)
    assert_opens(tmp_path / name, module)
    given = Small()
    before = given.conv.weight.clone()
    assert_opens(tmp_path / name, module, given)
    assert torch.equal(given.conv.weight, before)


def test_safetensors(module: Small, tmp_path: Path) -> None:
    save_file(module.state_dict(), tmp_path / "small.safetensors")
    assert_opens(tmp_path / "small.safetensors", module)
    names = ", ".join(sorted(module.state_dict())[:3])
    with pytest.raises(NetworkFileError) as raised:
        open_network(tmp_path / "small.safetensors")
    count = len(module.state_dict())
    assert f"holds weights ({count} tensors: {names} ...) and no network: nothing in it" in str(raised.value)
    assert "(--architecture): torchvision:NAME" in str(raised.value)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model."])
def test_a_training_checkpoint_is_unwrapped_and_said(
    module: Small, tmp_path: Path, key: str, prefix: str
) -> None:
    state = OrderedDict((prefix + name, tensor) for name, tensor in module.state_dict().items())
    torch.save({"epoch": 3, key: state, "optimizer": {"lr": 0.1}}, tmp_path / "last.pth")
    with pytest.warns(ConvscopeWarning, match=f"its '{key}' are the weights, left aside: epoch, optimizer"):
        assert_opens(tmp_path / "last.pth", module)


def test_weights_without_a_network_ask_for_one(module: Small, tmp_path: Path) -> None:
    torch.save(module.state_dict(), tmp_path / "resnet18-5c106cde.pth")
    with pytest.raises(
        NetworkFileError,
        match=r"and no network. Say which network they are for with architecture \(--architecture\)",
    ):
        open_network(tmp_path / "resnet18-5c106cde.pth")


def test_weights_of_another_network_are_told_by_name_and_shape(module: Small, tmp_path: Path) -> None:
    torch.save(module.state_dict(), tmp_path / "small.pth")
    with pytest.raises(
        WeightsMismatch, match="does not fit Linear: 2 of 2 parameters are not in it, 'weight'"
    ):
        open_network(tmp_path / "small.pth", architecture=nn.Linear(2, 2))
    state = module.state_dict() | {"conv.weight": torch.zeros(4, 3, 5, 5)}
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(
        WeightsMismatch, match=r"'conv.weight' is 4x3x5x5 in the file and 4x3x3x3 in the network"
    ):
        open_network(tmp_path / "other.pth", architecture=Small)
    torch.save(module.state_dict() | {"more": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.warns(
        ConvscopeWarning, match="1 tensors have no place in Small and are left out, 'more' first"
    ):
        assert_opens(tmp_path / "more.pth", module)


class Evil:
    """What would run when a pickle is loaded without care."""

    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["CONVSCOPE_EVIL"],)


@pytest.mark.parametrize("zipped", [True, False])
def test_no_code_of_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.setenv("CONVSCOPE_EVIL", str(tmp_path / "was_here"))
    torch.save({"a": Evil()}, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        NetworkFileError,
        match=r"holds no weights: a \(made by \w+.mkdir, and convscope runs no code.*state_dict\(\)",
    ):
        open_network(tmp_path / "evil.pth", architecture=Small)
    assert not (tmp_path / "was_here").exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source")
def test_a_whole_saved_module_gives_its_weights(module: Small, tmp_path: Path, zipped: bool) -> None:
    torch.save(module, tmp_path / "whole.pth", _use_new_zipfile_serialization=zipped)
    assert_opens(tmp_path / "whole.pth", module)
    named = rf"holds the weights of a {Small.__module__}\.Small, saved whole without its code \(\d+ tensors: "
    with pytest.raises(NetworkFileError, match=named):
        open_network(tmp_path / "whole.pth")
    torch.save({"epoch": 3, "model": module}, tmp_path / "last.pth", _use_new_zipfile_serialization=zipped)
    with pytest.warns(ConvscopeWarning, match="its 'model' are the weights, left aside: epoch"):
        assert_opens(tmp_path / "last.pth", module)


def _own_attribute(module: nn.Sequential) -> None:
    module[0].norm_layer = partial(nn.BatchNorm2d, eps=1e-3)  # code, which no layer of torch's asks for


def _own_method(module: nn.Sequential) -> None:
    module[0].__dict__["forward"] = "another"


def _own_class(module: nn.Sequential) -> None:
    module.append(Small())


def _holds_itself(module: nn.Sequential) -> None:
    module[0]._modules["self"] = module


class _OldPickler(pickle.Pickler):
    """Pickles parameters as PyTorch did before 0.4: their class, their tensor, then what gradients need."""

    def reducer_override(self, kept: object) -> Any:
        if isinstance(kept, nn.Parameter):
            return nn.Parameter, (kept.detach(),), (True, False, None)
        return NotImplemented


def test_a_module_that_was_saved_whole_long_ago_gives_its_weights(module: Small, tmp_path: Path) -> None:
    """They were passed over, and with them the file: it was said to hold none."""
    old = SimpleNamespace(__name__="pickle", Pickler=_OldPickler, dump=pickle.dump)
    saved = {"epoch": 50, "model": module}
    torch.save(saved, tmp_path / "old.pth", pickle_module=old, _use_new_zipfile_serialization=False)
    with pytest.warns(ConvscopeWarning, match="its 'model' are the weights, left aside: epoch"):
        assert_opens(tmp_path / "old.pth", module)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("change", "opens"),
    [(None, True), (_own_attribute, True), (_own_method, False), (_own_class, False), (_holds_itself, False)],
)
def test_a_module_of_torchs_own_layers_that_was_saved_whole_opens(
    tmp_path: Path, zipped: bool, change: Callable[[nn.Sequential], None] | None, opens: bool
) -> None:
    """Without an architecture, in parallel training's wrapper and a checkpoint too; with other code it asks for one."""
    torch.manual_seed(3)
    inner = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4), nn.SiLU())
    rows = nn.Sequential(nn.Flatten(2), nn.GRU(64, 5, bidirectional=True, batch_first=True))
    module = nn.Sequential(inner, nn.Dropout(0.9), rows).train()
    module(torch.rand(4, 3, 8, 8))  # the norm has statistics of its own
    if change:
        change(inner)
    path, x = tmp_path / "whole", torch.rand(1, 3, 8, 8)
    torch.save({"epoch": 3, "model": nn.DataParallel(module)}, path, _use_new_zipfile_serialization=zipped)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvscopeWarning)
        if not opens:
            with pytest.raises(NetworkFileError, match=r"container.Sequential, saved whole without its code"):
                open_network(path)
            return
        network = open_network(path, input_shape=(1, 3, 8, 8))
    with torch.no_grad():
        expected = module.eval()(x)[0]
    answer = network.activations(x, network.graph.outputs[0])[network.graph.outputs[0]]
    torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "library"),
    [("qweight", "GPTQ or AWQ"), ("SCB", "bitsandbytes"), ("weight_scale", "compressed-tensors")],
)
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_weights_that_a_library_packed_are_called_so(
    tmp_path: Path, name: str, library: str, ending: str
) -> None:
    state = {"block.weight": torch.zeros(4, 4, dtype=torch.int8), f"block.{name}": torch.ones(4)}
    path = tmp_path / f"small.{ending}"
    save_file(state, path) if ending == "safetensors" else torch.save(state, path)
    with pytest.raises(
        NetworkFileError, match=rf"holds a network quantized by {library}.*\('block.{name}'\): convscope "
    ):
        open_network(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_beside_objects_of_somebodys_own_are_read(
    module: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    monkeypatch.setenv("CONVSCOPE_EVIL", str(tmp_path / "was_here"))
    beside = {
        "best": np.float64(0.93),
        "curve": np.arange(5.0),
        "args": argparse.Namespace(lr=0.1),
        "meters": defaultdict(list, loss=[1.0]),
        "counts": Counter("abca"),
        "when": datetime(2020, 1, 2),
        "path": Path("data"),
        "evil": Evil(),
    }
    path = tmp_path / "last.pth"
    torch.save({**beside, "net": module.state_dict()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.warns(ConvscopeWarning, match="its 'net' are the weights, left aside: best, curve, args"):
        assert_opens(path, module)
    torch.save({**module.state_dict(), **beside}, path, _use_new_zipfile_serialization=zipped)
    assert_opens(path, module)
    assert not (tmp_path / "was_here").exists()


@pytest.mark.parametrize("key", ["G", "netG", "teacher", "generator_ema"])
def test_weights_under_any_key_are_found_by_what_they_fit(module: Small, tmp_path: Path, key: str) -> None:
    critic = nn.Sequential(nn.Linear(7, 3)).state_dict()
    torch.save({"D": critic, key: module.state_dict()}, tmp_path / "gan.pth")
    with pytest.warns(ConvscopeWarning, match=f"its '{key}' are the weights, left aside: D"):
        assert_opens(tmp_path / "gan.pth", module)
    with pytest.raises(NetworkFileError, match=rf"several networks \('D': 2 tensors, '{key}': 9 tensors\)"):
        open_network(tmp_path / "gan.pth")
    torch.save({"run": {"nets": {key: module.state_dict()}}}, tmp_path / "deep.pth")
    with pytest.warns(ConvscopeWarning, match=rf"its 'run.nets.{key}' are the weights"):
        assert_opens(tmp_path / "deep.pth", module)


def test_of_two_parts_that_fit_one_is_taken_and_both_are_named(module: Small, tmp_path: Path) -> None:
    other = {f"teacher.{name}": 2 * tensor for name, tensor in module.state_dict().items()}
    state = {f"student.net.{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save(state | other, tmp_path / "pair.pth")
    with (
        pytest.warns(ConvscopeWarning, match="under 'student.net' are taken; those under 'teacher' fit as"),
        pytest.warns(ConvscopeWarning, match="9 tensors have no place"),
    ):
        assert_opens(tmp_path / "pair.pth", module)


def test_weights_without_the_prefix_that_the_network_has(module: Small, tmp_path: Path) -> None:
    torch.save(module.state_dict(), tmp_path / "bare.pth")
    network = open_network(
        tmp_path / "bare.pth", architecture=nn.Sequential(Small()), input_shape=(1, 3, 16, 16)
    )
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(network.activations(x, "0.head")["0.head"], module(x).detach())


@pytest.mark.parametrize("before", ["", "module."])
@pytest.mark.parametrize("around", ["_orig_mod", "_fsdp_wrapped_module._checkpoint_wrapped_module", "module"])
def test_what_training_puts_into_the_middle_of_names(
    module: Small, tmp_path: Path, around: str, before: str
) -> None:
    state = {
        before + f".{around}.".join(name.partition(".")[::2]): tensor
        for name, tensor in module.state_dict().items()
    }
    torch.save(state, tmp_path / "parallel.pth")
    assert_opens(tmp_path / "parallel.pth", module)


def test_quantized_weights_are_called_so(tmp_path: Path) -> None:
    packed = torch.quantize_per_tensor(torch.randn(4, 3), 0.1, 0, torch.qint8)
    torch.save({"weight": packed}, tmp_path / "int8.pth")
    with pytest.raises(NetworkFileError, match=r"quantized network \('weight' is qint8\)"):
        open_network(tmp_path / "int8.pth", architecture=nn.Linear(3, 4))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class Learner:
    """As a library pickles what trains a network: the network is one of its attributes, beside itself."""

    def __init__(self, model: nn.Module) -> None:
        self.loss, self.model, self.also = nn.CrossEntropyLoss(), model, [self]


def test_the_network_of_an_object_that_trains_it(module: Small, tmp_path: Path) -> None:
    path = tmp_path / "export.pth"
    torch.save(Learner(module), path)
    with pytest.raises(
        NetworkFileError, match=rf"holds the weights of a {Small.__module__}\.Small, saved whole"
    ):
        open_network(path)
    torch.manual_seed(9)
    with pytest.warns(ConvscopeWarning, match="its 'model' are the weights, left aside: loss, also"):
        network = open_network(path, architecture=Small(), input_shape=(1, 3, 8, 8))
    (name, *_) = dict(module.named_parameters())
    assert torch.equal(network.parameters[name], dict(module.named_parameters())[name])


def test_a_mapping_that_holds_itself_a_thousand_times_is_read_once(tmp_path: Path) -> None:
    held: dict[str, Any] = {}
    held.update({str(place): held for place in range(1000)})
    torch.save(held, tmp_path / "itself.pth")
    with pytest.raises(NetworkFileError, match="holds no weights"):
        open_network(tmp_path / "itself.pth")


def test_a_quantized_network_saved_whole_is_called_so(tmp_path: Path) -> None:
    """Its convolution has plain weights still, which were said to be all that it holds."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 5)).eval()
    quantized = torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8)
    torch.save(quantized, tmp_path / "int8.pth")
    with pytest.raises(
        NetworkFileError, match=r"quantized network \('2' is torch\.ao\.nn\.quantized\..*ONNX export"
    ):
        open_network(tmp_path / "int8.pth")


def test_a_packed_archive_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "small.pth")
    with (
        zipfile.ZipFile(tmp_path / "small.pth") as plain,
        zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(NetworkFileError, match="would be larger than the file when unpacked"):
        open_network(tmp_path / "packed.pth", architecture=Small)


OWN = """
import torch
from torch import nn
from beside import CHANNELS

class Small(nn.Module):
    def __init__(self, num_classes=5):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, CHANNELS, 3), nn.BatchNorm2d(CHANNELS)
        self.head = nn.Linear(CHANNELS, num_classes)

    def forward(self, x):
        return self.head(torch.relu(self.bn(self.conv(x))).mean((2, 3)))
"""


def test_an_architecture_of_ones_own_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    seven = Small(7).eval()
    torch.save(seven.state_dict(), tmp_path / "own.pth")
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "beside.py").write_text("CHANNELS = 4\n")
    before = list(sys.path)
    assert_opens(tmp_path / "own.pth", seven, f"{tmp_path}/mine.py:Small(num_classes=7)")
    torch.save(Small().state_dict(), tmp_path / "five.pth")
    open_network(tmp_path / "five.pth", architecture=f"{tmp_path}/mine.py", input_shape=(1, 3, 16, 16))
    assert sys.path == before
    for what, said in {
        "nowhere.py:Small": "there is no such file",
        "mine.py:Smal": "has no 'Smal'. Did you mean 'Small'",
        "mine.py:Small(3)": "with plain values",
        "mine.py:Small(classes=3)": "cannot be made: TypeError",
        "mine.py:CHANNELS": "cannot be made: TypeError",
    }.items():
        with pytest.raises((InputError, NetworkFileError), match=re.escape(said)):
            open_network(tmp_path / "own.pth", architecture=f"{tmp_path}/{what}")
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found")
    with pytest.raises(NetworkFileError, match="ends in ModuleNotFoundError"):
        open_network(tmp_path / "own.pth", architecture=f"{tmp_path}/broken.py")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_programs_that_were_loaded_open(module: Small, tmp_path: Path) -> None:
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.jit.trace(module, x).save(tmp_path / "script.pt")
    torch.export.save(torch.export.export(module, (x,)), tmp_path / "exported.pt2")
    loaded = torch.jit.load(tmp_path / "script.pt"), torch.export.load(tmp_path / "exported.pt2")
    for program, batch in zip(loaded, (1, 2), strict=True):
        network = open_network(program, input_shape=(batch, 3, 16, 16))
        output = network.graph.outputs[0]
        torch.testing.assert_close(
            network.activations(x, output)[output], module(x).detach(), rtol=1e-5, atol=1e-6
        )


_END_ON_A_SECOND_DISK = b"PK\6\7" + struct.pack("<LQL", 1, 0, 2) + b"PK\5\6" + bytes(18)


def test_other_files_with_the_right_ending(tmp_path: Path) -> None:
    contents = {
        b"": "is empty|is damaged|it is empty",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n": "a Git LFS pointer",
        b"<!DOCTYPE html><html>not found</html>": r"a web page \(HTML\)",
        b"\x89PNG\r\n\x1a\n" + bytes(50): "a picture",
        b"\x80\x02}q\x00": "damaged, or no file of PyTorch's",
        b"PK\3\4" + bytes(50) + _END_ON_A_SECOND_DISK: "is a damaged zip: ",
    }
    for content, said in contents.items():
        (tmp_path / "wrong.pth").write_bytes(content)
        with pytest.raises(NetworkFileError, match=said):
            open_network(tmp_path / "wrong.pth", architecture=Small)
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(NetworkFileError, match="holds a Tensor and no named weights"):
        open_network(tmp_path / "tensor.pth", architecture=Small)
    torch.save({"epoch": 1}, tmp_path / "none.pth")
    with pytest.raises(NetworkFileError, match="holds no weights: epoch"):
        open_network(tmp_path / "none.pth", architecture=Small)
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(NetworkFileError, match="damaged, or no file of PyTorch's"):
        open_network(tmp_path / "other.pth", architecture=Small)


def test_a_tensor_larger_than_its_file_takes_no_memory(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1).expand(10**13)}, tmp_path / "bomb.pth")
    with pytest.raises(
        NetworkFileError, match="claims 10000000000000 numbers, and the file holds 4 bytes of it"
    ):
        open_network(tmp_path / "bomb.pth", architecture=Small)


def test_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("torchvision", "timm"):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingPackage, match=f"need the package {package}: pip install"):
            open_network(f"{package}:resnet18", weights="random")
    with pytest.raises(InputError, match="an architecture is torchvision:NAME, timm:NAME"):
        libraries.find_architecture("resnet18")


class Cifar(nn.Module):
    """The network of captum's CIFAR-10 tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16 * 5 * 5, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def test_captums_cifar_network_tells_a_cat(shared_data: Path) -> None:
    labels = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    path = shared_data / "pytorch" / "cifar_torchvision.pt"
    network = open_network(
        path, architecture=Cifar, labels=labels, mean=(0.5, 0.5, 0.5), input_scale=2.0, size=(32, 32)
    )
    assert dict(network.graph.inputs) == {"x": (1, 3, 32, 32)}
    assert list(network.layers)[:4] == ["x", "conv1", "relu", "pool#1"]
    module = Cifar()
    module.load_state_dict(torch.load(path, weights_only=True))
    picture = Image.open(shared_data / "pictures" / "cat.jpg")
    x = network.preprocess(picture)
    torch.testing.assert_close(network.activations(x, "fc3")["fc3"], module(x).detach(), rtol=1e-5, atol=1e-5)
    assert network.predict(picture, top=1)[0][0] == labels[int(module(x).argmax())]


# A stand-in for torchvision: as the real one it describes `nms`, which its compiled part has named, or has not.
_LIBRARY = """
import torch

if COMPILED:
    library = torch.library.Library("torchvision", "FRAGMENT")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
torch.library.register_fake("torchvision::nms")(lambda dets, scores, iou_threshold: dets)
from torchvision import models
"""
_MODELS = """
from torch import nn

def list_models(): return ["small"]
def get_model_weights(name): return object()
def get_model_builder(name): return get_model
def get_model(name, weights=None, **more): return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("compiled", "first"), [(True, False), (True, True), (False, False)])
def test_torchvision_opens_with_and_without_its_compiled_part(
    tmp_path: Path, compiled: bool, first: bool
) -> None:
    """In a process of its own: operators stay named until it ends. `first`: the user has imported it already."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(_LIBRARY.replace("COMPILED", str(compiled)))
    (package / "models.py").write_text(_MODELS)
    code = (
        f"{'import torchvision' if first and compiled else 'import torch'}; import convscope; "
        "open = lambda: convscope.open_network('torchvision:small', weights='random', input_shape=(1, 3, 8, 8)); "
        "print(list(open().layers), list(open().layers))"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    }
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ran.stdout.split("]")[0] == "['input', '0', '1'", ran.stderr
