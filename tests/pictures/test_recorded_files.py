"""Whatever a recipe names is found before it is read, wherever in the recipe it stands."""

import os
from pathlib import Path
from typing import Any

import pytest

from convscope.errors import RecipeError
from convscope.pictures.recipe import Recipe
from convscope.pictures.recorded_files import recorded_files, require_consent


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
            require_consent(Recipe("dream", **places(name)[where]), Path("made.png"))
    Path("secret").write_text("anybody's")
    require_consent(Recipe("dream", **places("secret")[where]), Path("made.png"))


@pytest.mark.parametrize("where", [*places(""), "an architecture"])
def test_a_network_by_name_is_fetched_or_imported_with_consent_alone(where: str) -> None:
    named = places("timm:resnet18") | {"an architecture": {"options": {"architecture": "timm:resnet18"}}}
    with pytest.raises(RecipeError, match=r"have timm:resnet18 fetched or imported\. .*--trust"):
        require_consent(Recipe("dream", **named[where]), Path("made.png"))


def test_home_is_elsewhere(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path(secret).parent))
    with pytest.raises(RecipeError, match="~/secret"):
        require_consent(Recipe("dream", picture="~/secret"), Path("made.png"))


def test_a_folder_of_yours_may_be_called_as_somebody_s_home_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "~drafts").mkdir(parents=True)
    (tmp_path / "above.png").touch()
    monkeypatch.chdir(tmp_path / "here")
    Path("~drafts", "cat.png").touch()
    require_consent(Recipe("dream", picture="~drafts/cat.png"), Path("made.png"))
    for name in ("~drafts/../../above.png", "~drafts/none.png", "~/cat.png"):
        with pytest.raises(RecipeError, match="outside its folder"):
            require_consent(Recipe("dream", picture=name), Path("made.png"))


def test_what_is_no_file_or_given_by_hand_is_not_asked_about(secret: str) -> None:
    arguments = {
        "address": "/conv1/Conv_output_0:3",
        "preset": "default",
        "other": "~nobody-of-that-name\0",
    }
    recipe = Recipe("dream", arguments, network=secret, picture="coffee")
    assert secret in recorded_files(recipe)
    assert not {secret, "coffee", arguments["address"]} & {*recorded_files(recipe, {"network"})}
    require_consent(recipe, Path("made.png"), {"network"})


@pytest.mark.parametrize(
    "name", ["//host/share/x.png", "\\\\host\\share\\x.png", "C:\\Users\\x.png", "~someone/x.png"]
)
@pytest.mark.parametrize("where", ["network", "picture", "an argument", "a key"])
def test_another_machine_is_elsewhere_and_never_asked(
    name: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*of: Any, **__: Any) -> None:
        if str(of[0]) == "~someone/x.png":
            raise FileNotFoundError  # in the current folder alone
        raise AssertionError("that may log in somewhere")

    recipe, made = Recipe("dream", **places(name)[where]), Path("made.png")
    with monkeypatch.context() as patch:
        for function in ("stat", "lstat"):
            patch.setattr(os, function, asked)
        patch.setattr("pwd.getpwnam", lambda _: asked("home"))
        try:
            require_consent(recipe, made)
        except RecipeError as error:
            said = str(error)
    assert "outside its folder" in said


@pytest.mark.parametrize("name", ["zoo:vgg16", "torchvision:resnet18", "timm:resnet18", "keras:VGG16"])
def test_networks_are_neither_fetched_nor_imported_unasked(name: str) -> None:
    with pytest.raises(RecipeError, match=f"{name} fetched or imported"):
        require_consent(Recipe("filters", network=name), Path("made.png"))
    require_consent(Recipe("filters", network=name), Path("made.png"), {"network"})
