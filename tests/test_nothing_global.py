"""Importing, opening, looking and making leave the process as it was: it is somebody else's."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from convscope import ConvscopeError, open_network
from convscope.cli import main
from planted import planted_files, planted_network
from process_state import changed_since, process_state
from test_formats import write_keras, write_onnx, write_tensorflow
from torch_cases import Net, state, tensors

pytestmark = pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
IMPORTS = """
import sys
sys.path.insert(0, sys.argv[1])
import PIL.Image, matplotlib.pyplot, numpy, torch, scipy.ndimage, scipy.stats, skimage.color, h5py, requests
import process_state
before = process_state.process_state()
import convscope
for name in convscope.__all__:
    getattr(convscope, name)
print(process_state.changed_since(before))
"""


@contextmanager
def unchanged() -> Iterator[None]:
    before = process_state()
    yield
    assert changed_since(before) == {}


@pytest.mark.slow
def test_importing() -> None:
    command = [sys.executable, "-c", IMPORTS, str(Path(__file__).parent)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert ended.stdout.strip() == "{}"


COMPILES = """
import torch
from convscope import open_network

class Chooses(torch.nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,))

open_network(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), Chooses()).eval(), input_shape=(1, 3, 8, 8))
function = torch.compile(lambda x: x * min([x.dim()], default=0), backend="eager", fullgraph=True)
print(function(torch.ones(3)).tolist())
"""


@pytest.mark.slow
def test_torchs_compiler_keeps_nothing_of_a_module_that_ran_it() -> None:
    """Whatever it meets first it keeps for good: Python's own `min`, and not the one that a module is followed with."""
    command = [sys.executable, "-W", "ignore", "-c", COMPILES]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert ended.stdout.strip() == "[1.0, 1.0, 1.0]"


SHOWS_A_BAR = """
import logging, multiprocessing, threading
from click.testing import CliRunner
from convscope.cli import main
from convscope.progress import progress_bar
before = threading.active_count()
with progress_bar(total=2, disable=False, delay=0) as bar:
    bar.update(1)
    print(threading.active_count() - before, multiprocessing.get_start_method(allow_none=True))
@main.command("warn")
def warn():
    logging.getLogger("matplotlib").warning("the cache is not writable")
    logging.getLogger("uvicorn.error").error("the page failed")
print(repr(CliRunner().invoke(main, ["warn"]).stderr))
"""


def test_a_bar_settles_no_start_method_and_the_command_line_shows_of_what_is_logged_errors_alone() -> None:
    command = [sys.executable, "-c", SHOWS_A_BAR]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert ended.stdout.splitlines() == ["0 None", repr("the page failed\n")]


def script(folder: Path) -> Path:
    torch.jit.save(torch.jit.trace(Net().eval(), torch.zeros(1, 3, 8, 8)), folder / "net.pt")
    return folder / "net.pt"


def exported(folder: Path) -> Path:
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 3, 8, 8),)), folder / "net.pt2")
    return folder / "net.pt2"


def own(folder: Path) -> Path:
    return planted_network().save(folder / "planted.convscope")


WRITERS = [planted_files, own, write_keras, write_onnx, write_tensorflow, state, tensors, script, exported]


@pytest.mark.parametrize("write", WRITERS)
def test_opening(write: Callable[[Path], Path], tmp_path: Path) -> None:
    kept = torch.get_rng_state()
    file = write(tmp_path)
    torch.set_rng_state(kept)  # what torch itself draws for a network's weights
    options = {"architecture": Net, "input_shape": (1, 3, 8, 8)} if write in (state, tensors) else {}
    with unchanged():
        network = open_network(file, **options)
        list(network.parameters.values())
        (name,) = network.graph.inputs
        network.activations({name: torch.zeros(network.graph.inputs[name])})


def test_opening_a_live_module(tmp_path: Path) -> None:
    kept = torch.get_rng_state()
    module = Net()
    torch.set_rng_state(kept)
    with unchanged():
        network = open_network(module, input_shape=(1, 3, 8, 8))
        network.activations(torch.zeros(1, 3, 8, 8))
    assert module.training


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    for name in ("a.onnx", "a.h5", "a.pb", "a.pth", "a.keras", "a.convscope", "a.caffemodel", "a.pt2"):
        (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\nnonsense" * 9)
        with unchanged(), pytest.raises(ConvscopeError):
            open_network(tmp_path / name)


COMMANDS = {
    "layers": "NETWORK",
    "classify": "NETWORK PICTURE",
    "values": "NETWORK PICTURE conv1:0 -o OUT/values.png",
    "filters": "NETWORK -o OUT/filters.png",
    "activations": "NETWORK PICTURE -o OUT/",
    "gradients": "NETWORK PICTURE scores:0 -o OUT/gradients.png",
    "evidence": "NETWORK PICTURE scores:0 --layer conv2 -o OUT/evidence.png",
    "see": "NETWORK conv1:0 --size 12 --steps 2 -o OUT/see.png",
    "sheet": "NETWORK conv1 --size 12 --steps 2 -o OUT/sheet.png",
    "dream": "NETWORK PICTURE --film OUT/dream.gif --iterations 1 --octaves 1 -o OUT/dream.jpg",
    "style": "NETWORK PICTURE --style PICTURE --iterations 1 -o OUT/style.png",
    "examples": "NETWORK conv1:0 --photographs PHOTOGRAPHS -o OUT/examples.png",
    "survey": "NETWORK --photographs PHOTOGRAPHS -o OUT/survey.html",
    "report": "NETWORK PICTURE -o OUT/report.html",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "report")) for name in COMMANDS]
)
def test_making(name: str, photograph: Path, tmp_path: Path) -> None:
    network = own(tmp_path)
    (tmp_path / "photographs").mkdir()
    photograph.rename(picture := tmp_path / "photographs" / "photograph.png")
    words = {"NETWORK": network, "PICTURE": picture, "PHOTOGRAPHS": picture.parent, "OUT": tmp_path / "out"}
    arguments = COMMANDS[name]
    for word, path in words.items():
        arguments = arguments.replace(word, str(path))
    (tmp_path / "out").mkdir()
    with unchanged():
        result = CliRunner().invoke(main, [name, *arguments.split()])
    assert result.exit_code == 0, result.output


def test_exploring(tmp_path: Path) -> None:
    with unchanged():
        open_network(own(tmp_path)).explore().stop()
