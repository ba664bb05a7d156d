"""Weights of TorchScript and of exported programs against torch's own loaders, and files that lie."""

import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from convscope import open_network
from convscope.errors import NetworkFileError
from convscope.formats.pytorch.checkpoints import read_checkpoint


def module() -> nn.Module:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    ).eval()


INPUT = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def scripted(path: Path) -> Path:
    torch.jit.save(torch.jit.script(module()), str(path))
    return path


def traced(path: Path) -> Path:
    torch.jit.save(torch.jit.trace(module().half().float(), INPUT), str(path))
    return path


def exported(path: Path) -> Path:
    torch.export.save(torch.export.export(module(), (INPUT,)), path)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("save", "name"), [(scripted, "a.pt"), (traced, "b.pth"), (exported, "c.pt2")])
def test_the_weights_are_those_that_were_saved(save, name: str, tmp_path: Path) -> None:
    path = save(tmp_path / name)
    expected = (module().half().float() if save is traced else module()).state_dict()
    found = read_checkpoint(path).states[""]
    assert set(found) == set(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    network = open_network(path, architecture=module(), input_shape=(1, 3, 8, 8))
    answer = network.activations(INPUT, network.graph.outputs[0])[network.graph.outputs[0]]
    fresh = module()
    fresh.load_state_dict(expected)
    assert torch.allclose(answer, fresh(INPUT), atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_alone_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match=r"holds weights .* and no network"):
        open_network(scripted(tmp_path / "a.pt"))


def changed(path: Path, member: str, content: bytes) -> Path:
    """The same archive with one member replaced."""
    other = path.with_name("changed.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, content if info.filename.endswith(member) else old.read(info))
    return other


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("member", "content", "words"),
    [
        ("data.pkl", b"cos\nsystem\n(S'true'\ntR.", "asks for os.system, and convscope runs no code"),
        ("data.pkl", b"\x80\x02.", "stack underflow"),
        ("/data/0", b"\0" * 8, "numbers, and .* are claimed"),
    ],
)
def test_a_script_that_lies_is_refused(member: str, content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match=words):
        read_checkpoint(changed(scripted(tmp_path / "a.pt"), member, content))


def test_an_exported_program_that_lies_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "a.pt2")
    with pytest.raises(NetworkFileError, match=r"numbers, and .* are claimed"):
        read_checkpoint(changed(path, "weights/weight_0", b"\0" * 8))
    with pytest.raises(NetworkFileError, match="damaged program"):
        read_checkpoint(changed(path, "model_weights_config.json", b'{"config": {"a": {}}}'))
