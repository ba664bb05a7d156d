"""A recipe says what made a picture, makes it again to the byte, and calls nothing else."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import convscope
from convscope.address import Address
from convscope.errors import ConvscopeWarning, RecipeError
from convscope.photograph import Photograph
from convscope.picture import Picture
from convscope.recipe import Recipe, read_recipe, recipe_function, recipe_functions, rerun


@recipe_function("test_mirror")
def mirror(network: object, picture: Photograph, address: str | Address = "conv1", *, columns: tuple[int, ...] = (1, 2),
           seed: int = 0, extra: object = None) -> Picture:  # fmt: skip
    """Return the picture mirrored, with noise from the seed."""
    pixels = np.asarray(picture)[..., ::-1] if isinstance(picture, torch.Tensor) else picture.pixels[:, ::-1]
    noise = np.random.default_rng(seed).normal(0, 0.1, (4, 4))
    return Picture(np.clip(pixels[:4, :4, 0] + noise, 0, 1), f"{address} {columns}")


@recipe_function("test_network_only")
def network_only(network: object, shade: float) -> Picture:
    """Return a flat picture."""
    return Picture(np.full((2, 2), shade))


@dataclass
class Origin:
    source: str
    weights: str | None
    files: tuple[Path, ...]
    sha256: str


def network(weights: str = "ab" * 32) -> SimpleNamespace:
    return SimpleNamespace(
        origin=Origin("net.prototxt", "net.caffemodel", (Path("net.caffemodel"),), weights)
    )


def png_with(text: str) -> io.BytesIO:
    chunks, file = PngInfo(), io.BytesIO()
    chunks.add_itxt("convscope", text)
    Image.new("L", (2, 2)).save(file, "PNG", pnginfo=chunks)
    return file


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "photograph.png"
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(path)
    return path


def test_a_recipe_records_everything_that_made_the_picture(photograph: Path) -> None:
    picture = mirror(network(), photograph, Address("conv1", 42), seed=7)
    recipe = picture.recipe
    assert recipe is not None
    assert recipe.function == "test_mirror"
    assert recipe.arguments == {"address": "conv1:42", "columns": [1, 2], "extra": None}
    assert (recipe.network, recipe.weights) == ("net.prototxt", "net.caffemodel")
    assert (recipe.network_sha256, recipe.seed) == ("ab" * 32, 7)
    assert recipe.picture == str(photograph)
    assert recipe.picture_sha256 == hashlib.sha256(photograph.read_bytes()).hexdigest()
    assert recipe.versions["convscope"] == convscope.__version__
    assert recipe.versions["torch"] == torch.__version__
    assert recipe.versions["numpy"] == np.__version__
    assert "conv1:42" in str(recipe)


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_the_same_recipe_gives_the_same_bytes(photograph: Path, tmp_path: Path, ending: str) -> None:
    first = mirror(network(), photograph, "conv2:1", seed=3).save(tmp_path / f"first.{ending}")
    assert read_recipe(first) == Picture.open(first).recipe
    second = rerun(first, network=network()).save(tmp_path / f"second.{ending}")
    assert second.read_bytes() == first.read_bytes()
    other = mirror(network(), photograph, "conv2:1", seed=4).save(tmp_path / f"other.{ending}")
    assert other.read_bytes() != first.read_bytes()


def test_rerun_opens_the_network_itself(
    photograph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def open_network(source: str, *, weights: str | None = None) -> SimpleNamespace:
        opened.append((source, weights))
        return network()

    monkeypatch.setattr(convscope, "open_network", open_network)
    path = mirror(network(), photograph).save(tmp_path / "picture.png")
    assert rerun(path).encode() == path.read_bytes()
    assert opened == [("net.prototxt", "net.caffemodel")]


def test_a_network_or_picture_in_memory_has_to_be_given(photograph: Path) -> None:
    pixels = np.random.default_rng(0).random((8, 8, 3))
    recipe = mirror(object(), pixels).recipe
    assert recipe is not None
    with pytest.raises(RecipeError, match=r"made from a network in memory; give it: rerun\(recipe, network="):
        rerun(recipe)
    with pytest.raises(RecipeError, match=r"made from an input in memory; give it: rerun\(recipe, picture="):
        rerun(recipe, network=object())
    assert rerun(recipe, network=object(), picture=pixels).recipe == recipe
    with pytest.raises(RecipeError, match="the picture in memory has changed since: SHA-256 was"):
        rerun(recipe, network=object(), picture=pixels[::-1])


def test_an_input_tensor_is_known_by_its_hash() -> None:
    tensor = torch.arange(64.0).reshape(4, 4, 4) / 64
    recipe = mirror(object(), tensor).recipe
    assert recipe is not None
    assert recipe.picture is None
    assert rerun(recipe, network=object(), picture=tensor.clone()).recipe == recipe
    with pytest.raises(RecipeError, match="has changed since"):
        rerun(recipe, network=object(), picture=tensor + 1)


def test_changed_weights_and_pictures_are_errors(photograph: Path) -> None:
    recipe = mirror(network(), photograph).recipe
    assert recipe is not None
    with pytest.raises(
        RecipeError, match=r"weights of net.prototxt have changed since: SHA-256 was abab.*is cdcd"
    ):
        rerun(recipe, network=network("cd" * 32))
    Image.new("RGB", (8, 8)).save(photograph)
    with pytest.raises(RecipeError, match=r"photograph.png has changed since"):
        rerun(recipe, network=network())


def test_a_function_without_a_picture() -> None:
    recipe = network_only(network(), 0.5).recipe
    assert recipe is not None
    assert (recipe.picture, recipe.picture_sha256, recipe.seed) == (None, None, 0)
    assert rerun(recipe, network=network()).array.tolist() == [[128, 128], [128, 128]]


def test_an_argument_that_is_no_data_cannot_be_rerun(photograph: Path) -> None:
    recipe = mirror(network(), photograph, extra=print).recipe
    assert recipe is not None
    assert recipe.arguments["extra"] == {"not recorded": "builtin_function_or_method"}
    with pytest.raises(
        RecipeError, match=r"extra was a builtin_function_or_method, which a recipe cannot hold"
    ):
        rerun(recipe, network=network())


@pytest.mark.parametrize("name", ["os.system", "eval", "__import__", "test_miror", ""])
def test_nothing_outside_the_table_is_called(name: str) -> None:
    with pytest.raises(RecipeError, match=rf"a recipe cannot call '{name}'.*Possible: .*test_mirror"):
        rerun(Recipe(name))
    assert name not in recipe_functions()


def test_arguments_that_do_not_fit_are_errors(photograph: Path) -> None:
    with pytest.raises(RecipeError, match=r"test_network_only has no argument 'shad'\. Did you mean 'shade'"):
        rerun(Recipe("test_network_only", {"shad": 1}), network=network())
    with pytest.raises(
        RecipeError, match="does not fit test_network_only: missing a required argument: 'shade'"
    ):
        rerun(Recipe("test_network_only"), network=network())
    with pytest.raises(RecipeError, match="has no argument 'network'"):
        rerun(Recipe("test_network_only", {"network": "/etc/passwd"}), network=network())
    with pytest.raises(RecipeError, match="does not fit test_mirror: missing a required argument: 'picture'"):
        rerun(Recipe("test_mirror"), network=network())


def test_other_versions_are_warned_of() -> None:
    recipe = Recipe(
        "test_network_only", {"shade": 0.5}, versions={"convscope": "0.0.1", "numpy": np.__version__}
    )
    with pytest.warns(ConvscopeWarning, match=r"made with convscope 0\.0\.1 \(now .*its bytes may differ"):
        rerun(recipe, network=network())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "names no function"),
        ('{"function": 3}', "names no function"),
        ('{"function": "filters", "argments": {}}', r"unknown key 'argments'\. Did you mean 'arguments'"),
        ('{"function": "filters", "arguments": []}', "a list for 'arguments', which is impossible"),
        ('{"function": "filters", "seed": "0"}', "a str for 'seed'"),
        ('{"function": "filters", "network": 3}', "a int for 'network'"),
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
        "text.png": "is not a PNG",
        "missing.png": "no file",
    }.items():
        with pytest.raises(RecipeError, match=words):
            read_recipe(tmp_path / name)


def test_json_round_trip() -> None:
    recipe = Recipe("filters", {"a": [1, 2.5, None, True], "b": {"c": "größer ×"}}, picture="coffee", seed=3)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert json.loads(recipe.to_json())["arguments"]["b"]["c"] == "größer ×"


def test_every_form_of_an_argument_gives_the_same_picture(photograph: Path) -> None:
    forms = ((3, 5), [3, 5], np.array([3, 5]), range(3, 7, 2))
    first, *others = (mirror(network(), photograph, columns=form) for form in forms)
    assert all(other.encode() == first.encode() for other in others)
    by_text = mirror(network(), photograph, "conv1:3@1,2")
    assert mirror(network(), photograph, Address("conv1", 3, (1, 2))).encode() == by_text.encode()
