"""A recipe is data in a picture: read whole or refused with words."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from convscope.errors import RecipeError
from convscope.pictures.recipe import Recipe, read_recipe


def png_with(text: str) -> io.BytesIO:
    chunks, file = PngInfo(), io.BytesIO()
    chunks.add_itxt("convscope", text)
    Image.new("L", (2, 2)).save(file, "PNG", pnginfo=chunks)
    return file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON: what is in it lies too deep in itself"),
        ('{"function": ' + "1" * 5000 + "}", "is not JSON: a whole number in it has thousands of digits$"),
        ("[1]", "names no function"),
        ('{"function": 3}', "names no function"),
        ('{"function": "filters", "argments": {}}', r"unknown key 'argments'\. Did you mean 'arguments'"),
        ('{"function": "filters", "arguments": []}', "a list for 'arguments', which is impossible"),
        ('{"function": "filters", "seed": "0"}', "a str for 'seed'"),
        ('{"function": "filters", "network": 3}', "a int for 'network'"),
        ('{"function": "filters", "pictures": {"a.png": 5}}', "something else than texts in 'pictures'"),
        ('{"function": "filters", "versions": {"torch": [1]}}', "something else than texts in 'versions'"),
        (
            '{"function": "filters", "arguments": ' + '{"a":' * 900 + "1" + "}" * 901,
            "lists in lists, over 20",
        ),
        ('{"function": "filters", "arguments": {"a": ' + "[" * 900 + "]" * 900 + "}}", "over 20 deep"),
    ],
)
def test_a_broken_recipe_says_what_is_wrong(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(png_with(text).getvalue())
    with pytest.raises(RecipeError, match=words) as caught:
        read_recipe(path)
    assert str(path) in str(caught.value)


def test_files_without_a_recipe(tmp_path: Path) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("hello")
    for name, words in {
        "plain.png": "carries no recipe",
        "text.png": "is no whole PNG",
        "missing.png": "no file",
    }.items():
        with pytest.raises(RecipeError, match=words):
            read_recipe(tmp_path / name)


def test_json_round_trip() -> None:
    recipe = Recipe("filters", {"a": [1, 2.5, None, True], "b": {"c": "größer ×"}}, picture="coffee", seed=3)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert json.loads(recipe.to_json())["arguments"]["b"]["c"] == "größer ×"


def test_an_svg_full_of_beginnings_holds_no_recipe_and_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bomb.svg"
    path.write_text("<svg>" + "<dc:source>" * 200_000)  # a pattern took an hour
    with pytest.raises(RecipeError, match="no recipe"):
        read_recipe(path)
