"""What users of other tools type first is answered with what to type here."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from convscope.cli import main
from convscope.pictures.picture import Picture
from planted import plain_picture, planted_files

WORDS = [
    ("gradcam planted photo.png", "Did you mean 'evidence'? See: convscope evidence --help"),
    ("view planted", "Did you mean 'explore'?"),
    ("convert planted net.onnx", "convscope.open_network('NETWORK').save('network.onnx')"),
    (
        "planted photo.png",
        "A command stands first: convscope report planted PICTURE, or convscope explore planted",
    ),
    ("photo.png", "A command stands first: convscope report builtin photo.png"),
    (
        "evidence planted photo.png --target red",
        "--target is no option; it stands without a name: convscope evidence",
    ),
    (
        "report --network planted photo.png",
        "--network is no option; it stands without a name: convscope report",
    ),
    ("evidence planted photo.png --method GradCAM", "Did you mean 'grad-cam'?"),
    ("evidence planted photo.png --method GradCAM++", "Did you mean 'grad-cam-plus-plus'?"),
    ("evidence planted photo.png --method integrated_gradients", "Did you mean 'integrated-gradients'?"),
    (
        "see planted conv1:0-3",
        "'conv1:0-3' names several channels, and an address has one: give conv1:0 conv1:1",
    ),
    ("see planted conv1:*", "names several channels"),
    ("layers resnet18", "torchvision:resnet18, timm:resnet18 or keras:resnet18"),
    ("layers microsoft/resnet-50", "Nothing is downloaded from a hub: give the folder of config.json"),
]


@pytest.mark.parametrize(("line", "says"), WORDS)
def test_a_habit_is_answered(line: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planted_files(tmp_path / "planted")
    Picture(plain_picture()).save("photo.png")
    result = CliRunner().invoke(main, line.split(), prog_name="convscope")
    assert result.exit_code in (1, 2) and says in result.stderr, result.stderr
    assert len(result.stderr.strip().splitlines()) <= 4


def test_an_option_that_no_argument_is_called_is_answered_as_ever() -> None:
    result = CliRunner().invoke(
        main, ["evidence", "builtin", "coffee", "--mehtod", "rise"], prog_name="convscope"
    )
    assert (
        result.exit_code == 2 and "No such option '--mehtod'" in result.stderr and "--method" in result.stderr
    )
