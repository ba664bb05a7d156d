"""A file is written over or cut short while its network is open: it keeps its weights, or an error names the file."""

import os
import sys
from pathlib import Path

import onnx
import pytest
import torch

from convscope import open_network
from convscope.errors import NetworkFileError
from convscope.formats import native, opening
from convscope.formats.onnx import constants
from convscope.formats.protobuf import records
from convscope.network.network import Network
from planted import planted_files, planted_network
from test_formats import write_keras, write_onnx, write_tensorflow
from torch_cases import Net, state, tensors


def caffe(folder: Path) -> Path:
    return open_network(planted_files(folder)).save(folder / "saved.caffemodel")


def own(folder: Path) -> Path:
    return planted_network().save(folder / "planted.convscope")


def with_external_data(folder: Path) -> Path:
    """Write an ONNX network whose weights lie in a file beside it."""
    model = onnx.load(write_onnx(folder))
    onnx.save(
        model, folder / "net.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    return folder / "net.onnx"


WRITERS = [caffe, own, write_onnx, write_tensorflow, with_external_data, state, tensors]


def opened(file: Path) -> Network:
    if file.suffix in (".pth", ".safetensors"):
        return open_network(file, architecture=Net, input_shape=(1, 3, 8, 8))
    return open_network(file)


def cut_short(file: Path) -> None:
    """Truncate a file, and what lies beside it: whoever has mapped them dies of a bus error at the next look."""
    for one in (file, file.with_name("weights.bin")):
        if one.exists():
            with one.open("r+b") as stream:
                stream.truncate(100)


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
@pytest.mark.parametrize("write", WRITERS)
def test_a_small_file_is_copied(tmp_path: Path, write: object) -> None:
    file: Path = write(tmp_path)  # type: ignore[operator]
    wanted = sorted(float(value.sum()) for value in opened(file).parameters.values())
    network = opened(file)
    cut_short(file)
    assert sorted(float(value.sum()) for value in network.parameters.values()) == wanted


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
@pytest.mark.parametrize("write", [caffe, own, write_onnx, with_external_data, state, tensors])
def test_a_large_file_is_guarded(tmp_path: Path, write: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (opening, records, constants, native):
        monkeypatch.setattr(module, "COPIED_BYTES", 50)
    file: Path = write(tmp_path)  # type: ignore[operator]
    network = opened(file)
    cut_short(file)
    with pytest.raises(
        NetworkFileError, match=r"(net|planted|saved|weights)\.\w+ has changed since the network was"
    ):
        list(network.parameters.values())


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
def test_keras_files_are_guarded_at_any_size(tmp_path: Path) -> None:
    file = write_keras(tmp_path)
    network = open_network(file)
    (tmp_path / "other").mkdir()
    file.write_bytes(write_keras(tmp_path / "other").read_bytes() + b"\0")
    with pytest.raises(NetworkFileError, match=r"planted\.h5 has changed since"):
        list(network.parameters.values())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell when a file was last touched")
def test_a_file_written_over_that_keeps_its_size_and_date_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what comes out of an archive has, where all files have one date."""
    monkeypatch.setattr(opening, "COPIED_BYTES", 50)
    monkeypatch.setattr(native, "COPIED_BYTES", 50)
    file = own(tmp_path)
    network, date, content = open_network(file), file.stat().st_mtime_ns, bytearray(file.read_bytes())
    content[-100] ^= 0x40
    file.write_bytes(content)
    os.utime(file, ns=(date, date))
    with pytest.raises(NetworkFileError, match=r"planted\.convscope has changed since"):
        list(network.parameters.values())


def test_opening_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    """Random numbers, warnings' filters, the environment, limits and threads are the person's own."""
    import warnings

    resource = pytest.importorskip("resource")

    def process() -> tuple[object, ...]:
        limits = tuple(resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_AS", "RLIMIT_NOFILE"))
        return (
            dict(os.environ),
            list(warnings.filters),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            limits,
        )

    random, before = torch.get_rng_state(), process()
    for write in (own, write_keras, write_onnx, write_tensorflow):
        network = open_network(write(tmp_path))
        list(network.parameters.values())
    assert process() == before
    assert torch.equal(torch.get_rng_state(), random)
