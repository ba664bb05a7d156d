"""Damaged files that once ended in a traceback: through the commands each answers in one line, or is opened.

`tests/damaged` keeps them, named for the reader, the exception and the line it came from; ``make fuzz`` finds more.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner

from convscope.cli import main
from convscope.errors import PictureError
from convscope.pictures.photograph import open_photograph

DAMAGED = sorted(
    file
    for file in (Path(__file__).parents[1] / "damaged").iterdir()
    if file.is_file() and "hang" not in file.name
)
ARCHITECTURE = """
import torch


class Net(torch.nn.Conv2d):
    def __init__(self):
        super().__init__(3, 4, 3)
"""


def answer(file: Path, tmp_path: Path, *command: str) -> str:
    """Return what a command says on stderr of a damaged file; it may be done or refused, and is never brought down."""
    arguments = [command[0], str(file), *command[1:]]
    if file.suffix == ".pth":
        (tmp_path / "net.py").write_text(ARCHITECTURE)
        arguments += ["--architecture", f"{tmp_path / 'net.py'}:Net"]
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    lines = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert result.exit_code in (0, 1)
    assert len(lines) == result.exit_code, lines
    assert "Traceback" not in result.output
    return result.stderr


@pytest.mark.parametrize("file", DAMAGED, ids=lambda file: file.name)
def test_one_line_and_no_traceback(file: Path, tmp_path: Path, photograph: Path) -> None:
    answer(file, tmp_path, "layers")
    answer(file, tmp_path, "classify", str(photograph))
    answer(file, tmp_path, "filters", "-o", str(tmp_path / "filters.png"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("endless-pages.tif", "damaged or incomplete"),  # its list of pages never ends
        ("large-canvas.webp", "so much is not read from so little"),
    ],
)
def test_a_damaged_picture_is_refused_at_once(name: str, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        open_photograph(Path(__file__).parents[1] / "damaged" / "pictures" / name)


@pytest.mark.slow
def test_a_file_in_which_a_library_never_ends_is_given_up(tmp_path: Path) -> None:
    (file,) = (Path(__file__).parents[1] / "damaged").glob("*hang*")
    assert "is a damaged HDF5 file: after 2 seconds" in answer(file, tmp_path, "layers")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "kerash5-OverflowError-keras_configuration-135",
            "model.layers[5].inbound_nodes[0] is 4294967296, not a list",
        ),
        ("keraszip-OverflowError-keras_configuration-158", "what is read["),
        ("convscope-ValueError-input_spec-177", "it.input."),
    ],
)
def test_the_place_is_named(name: str, words: str, tmp_path: Path) -> None:
    (file,) = (Path(__file__).parents[1] / "damaged").glob(f"{name}.*")
    assert words in answer(file, tmp_path, "layers")
