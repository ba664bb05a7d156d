"""Whatever a recipe names is found before it is read, wherever in the recipe it stands."""

from pathlib import Path
from typing import Any

import pytest

from convscope.errors import RecipeError
from convscope.pictures.recipe import Recipe
from convscope.pictures.recorded_files import recorded_files, refuse_files_elsewhere


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file = tmp_path / "secret"
    file.write_text("mine")
    return str(file)


def places(name: str) -> dict[str, dict[str, Any]]:
    return {
        "network": {"network": name},
        "weights": {"weights": name},
        "picture": {"picture": name},
        "a further picture": {"pictures": {name: "00"}},
        "labels": {"options": {"labels": name}},
        "an argument": {"arguments": {"guide": name}},
        "a key": {"arguments": {"styles": {name: 1.0}}},
        "deep in an argument": {"arguments": {"regions": [None, [{"x": name}]]}},
    }


@pytest.mark.parametrize("where", places(""))
def test_a_file_elsewhere_is_refused(secret: str, where: str) -> None:
    for name in (secret, "../secret", "./../here/../secret"):
        with pytest.raises(RecipeError, match=r"outside its folder: .*secret\. .*--trust"):
            refuse_files_elsewhere(Recipe("dream", **places(name)[where]), Path("made.png"))
    Path("secret").write_text("anybody's")
    refuse_files_elsewhere(Recipe("dream", **places("secret")[where]), Path("made.png"))


def test_home_is_elsewhere(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path(secret).parent))
    with pytest.raises(RecipeError, match="~/secret"):
        refuse_files_elsewhere(Recipe("dream", picture="~/secret"), Path("made.png"))


def test_what_is_no_file_or_given_by_hand_is_not_asked_about(secret: str) -> None:
    arguments = {
        "address": "/conv1/Conv_output_0:3",
        "preset": "default",
        "other": "~nobody-of-that-name/x\0",
    }
    recipe = Recipe("dream", arguments, network=secret, picture="coffee")
    assert recorded_files(recipe) == [secret]
    assert recorded_files(recipe, {"network"}) == []
    refuse_files_elsewhere(recipe, Path("made.png"), {"network"})
