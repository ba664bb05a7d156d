"""A file is written over or cut short while its network is open: it keeps its weights, or an error names the file."""

from pathlib import Path

import pytest
import torch

from convscope import open_network
from convscope.errors import NetworkFileError
from convscope.formats import opening
from convscope.formats.protobuf import records
from planted import planted_files, planted_network
from test_formats import write_keras, write_onnx, write_tensorflow


def caffe(folder: Path) -> Path:
    return open_network(planted_files(folder)).save(folder / "saved.caffemodel")


def own(folder: Path) -> Path:
    return planted_network().save(folder / "planted.convscope")


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
@pytest.mark.parametrize("write", [caffe, own, write_onnx, write_tensorflow])
def test_a_small_file_is_copied(tmp_path: Path, write: object) -> None:
    file: Path = write(tmp_path)  # type: ignore[operator]
    wanted = sorted(float(value.sum()) for value in open_network(file).parameters.values())
    network = open_network(file)
    with file.open("r+b") as stream:
        stream.truncate(100)  # whoever had mapped it would die of a bus error here
    assert sorted(float(value.sum()) for value in network.parameters.values()) == wanted


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
@pytest.mark.parametrize("write", [caffe, write_onnx])
def test_a_large_file_is_guarded(tmp_path: Path, write: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "COPIED_BYTES", 50)
    monkeypatch.setattr(records, "COPIED_BYTES", 50)
    file: Path = write(tmp_path)  # type: ignore[operator]
    network = open_network(file)
    with file.open("r+b") as stream:
        stream.truncate(100)
    with pytest.raises(NetworkFileError, match=rf"{file.name} has changed since the network was opened"):
        list(network.parameters.values())


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
def test_keras_files_are_guarded_at_any_size(tmp_path: Path) -> None:
    file = write_keras(tmp_path)
    network = open_network(file)
    (tmp_path / "other").mkdir()
    file.write_bytes(write_keras(tmp_path / "other").read_bytes() + b"\0")
    with pytest.raises(NetworkFileError, match=r"planted\.h5 has changed since"):
        list(network.parameters.values())


def test_opening_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    """Random numbers, warnings' filters, the environment, limits and threads are the person's own."""
    import os
    import warnings

    resource = pytest.importorskip("resource")

    def state() -> tuple[object, ...]:
        limits = tuple(resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_AS", "RLIMIT_NOFILE"))
        return (
            dict(os.environ),
            list(warnings.filters),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            limits,
        )

    random, before = torch.get_rng_state(), state()
    for write in (own, write_keras, write_onnx, write_tensorflow):
        network = open_network(write(tmp_path))
        list(network.parameters.values())
    assert state() == before
    assert torch.equal(torch.get_rng_state(), random)
