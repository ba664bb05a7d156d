"""A rerun makes the same bytes, says what has changed since, and calls nothing but techniques."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from convscope import rerunning
from convscope.errors import ConvscopeError, ConvscopeWarning, NetworkFileError, RecipeError
from convscope.formats.opening import open_network
from convscope.looking.activations import activations
from convscope.looking.classify import predictions
from convscope.looking.filters import filters
from convscope.pictures.photograph import picture_file_hash
from convscope.pictures.picture import Picture
from convscope.pictures.recipe import Recipe, read_recipe
from convscope.pictures.recording import recipe_function, recipe_functions
from convscope.rerunning import rerun
from mirrored import mirror, network
from planted import edge_picture, plain_picture, planted_files, planted_network


@recipe_function("test_network_only")
def network_only(network: object, shade: float) -> Picture:
    """Return a flat picture."""
    return Picture(np.full((2, 2), shade))


@recipe_function("test_threads")
def on_threads(network: object) -> Picture:
    """Return a picture as wide as there are threads."""
    return Picture(np.zeros((2, torch.get_num_threads())))


def test_a_rerun_computes_on_the_threads_of_the_recipe_and_gives_them_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    recipe = on_threads(network()).recipe
    assert recipe is not None and recipe.threads == 3
    torch.set_num_threads(2)
    try:
        assert rerun(recipe, network=network()).array.shape[1] == 3 and torch.get_num_threads() == 2
        with pytest.raises(RecipeError, match="the recipe says 0 threads, which is impossible"):
            rerun(replace(recipe, threads=0), network=network())
    finally:
        torch.set_num_threads(before)


def test_a_picture_that_a_recipe_does_not_take_is_refused(photograph: Path) -> None:
    """It was "an unexpected keyword argument 'picture'"."""
    recipe = filters(planted_network(), "conv1").recipe
    assert recipe is not None
    with pytest.raises(RecipeError, match=r"filters takes no picture, .*: leave --picture \(picture=\) out"):
        rerun(recipe, network=planted_network(), picture=photograph)


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

    monkeypatch.setattr(rerunning, "open_network", open_network)
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
        RecipeError,
        match=r"net.prototxt \(its layers and weights\) has changed since: SHA-256 was abab.*is cdcd",
    ):
        rerun(recipe, network=network("cd" * 32))
    Image.new("RGB", (8, 8)).save(photograph)
    with pytest.raises(RecipeError, match=r"photograph.png has changed since"):
        rerun(recipe, network=network())


def test_a_recipe_with_a_keyword_s_former_name_makes_the_same(photograph: Path) -> None:
    how, file = {"layers": "conv2", "octaves": 1, "rate": 0.5}, str(photograph)
    changes: list[dict[str, object]] = [
        {"steps": 2},
        {"iterations": 2},
        {"changes": {"iterations": 2}},
        {"steps": 1},
    ]
    recipes = [
        Recipe("deep_dream", how | one, picture=file, picture_sha256=picture_file_hash(file))
        for one in changes
    ]
    new, old, older, other = (rerun(recipe, network=planted_network()).array for recipe in recipes)
    assert np.array_equal(new, old) and np.array_equal(new, older) and not np.array_equal(new, other)


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


def moved_network(folder: Path) -> tuple[Path, Path]:
    """Return where a picture was made from, and where its network is now."""
    network = planted_files(folder / "before")
    made = activations(open_network(network, channel_order="BGR"), plain_picture(), "conv1")
    path = made.save(folder / "made.png")
    return path, network.rename(folder / "after")


def test_a_moved_network_is_opened_as_it_was(tmp_path: Path) -> None:
    path, network = moved_network(tmp_path)
    again = rerun(path, network=network, picture=plain_picture())
    assert np.array_equal(again.array, Picture.open(path).array)
    other = activations(open_network(network), plain_picture(), "conv1")
    assert not np.array_equal(again.array, other.array)


def test_weights_and_labels_move_with_their_network(tmp_path: Path) -> None:
    folder = planted_files(tmp_path / "before")
    (folder / "farben.txt").write_text("rot\ngrün\nblau\n", encoding="utf-8")
    (weights,) = folder.glob("*.caffemodel*")
    network = open_network(folder / "planted.prototxt", weights=weights, labels=folder / "farben.txt")
    made = predictions(network, edge_picture())
    assert made.recipe is not None
    moved = folder.rename(tmp_path / "after")
    again = rerun(made.recipe, network=moved / "planted.prototxt", picture=edge_picture())
    assert np.array_equal(again.array, made.array)


def test_what_was_replaced_after_opening_is_missed(tmp_path: Path) -> None:
    folder = planted_files(tmp_path / "planted")
    network = open_network(folder)
    assert network.input_spec is not None
    changed = replace(network, input_spec=network.input_spec.replace(channel_order="BGR"))
    recipe = predictions(changed, edge_picture()).recipe
    assert recipe is not None
    with pytest.raises(RecipeError, match=r"what .*planted.* expects \(its input_spec\) has changed since"):
        rerun(recipe, picture=edge_picture())
    assert rerun(recipe, network=changed, picture=edge_picture()).recipe == recipe
    renamed = replace(network, labels=("rot", "grün", "blau"))
    recipe = predictions(renamed, edge_picture()).recipe
    assert recipe is not None
    with pytest.raises(RecipeError, match=r"the labels of .*planted.* have changed since"):
        rerun(recipe, picture=edge_picture())


def test_a_mean_picture_that_was_in_memory_is_named(tmp_path: Path) -> None:
    folder = planted_files(tmp_path / "planted")
    mean = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
    recipe = predictions(open_network(folder, mean=mean), edge_picture()).recipe
    assert recipe is not None
    again = rerun(recipe, picture=edge_picture())
    assert again.recipe == recipe
    large = replace(recipe, options={"mean": {"not recorded": "ndarray"}})
    with pytest.raises(RecipeError, match="mean was a ndarray, which a recipe cannot hold"):
        rerun(large, picture=edge_picture())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"weights": "/etc/passwd"}}, "open_network has no argument 'weights'"),
        ({"options": {"device": "cuda"}}, "open_network has no argument 'device'"),
        ({"options": {"provenance": {}}}, "open_network has no argument 'provenance'"),
        ({"options": {"size": 7}}, r"its input_spec\) has changed since"),
        ({"options": {"mean": [[1], [2, 3]]}}, "does not fit predictions"),
        ({"arguments": {"top": "x"}}, "does not fit predictions"),
        ({"arguments": {"top": [[]]}}, "does not fit predictions"),
    ],
)
def test_a_hostile_recipe_is_refused_in_words(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    network = open_network(planted_files(tmp_path / "planted"))
    recipe = predictions(network, edge_picture()).recipe
    assert recipe is not None
    with pytest.raises(RecipeError, match=words):
        rerun(replace(recipe, **changes), picture=edge_picture())


def test_a_changed_picture_beside_the_main_one_is_named(photograph: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.new("L", (4, 4)).save(mask)
    made = mirror(network(), photograph, extra={"regions": [str(mask)]}).save(tmp_path / "made.png")
    assert rerun(made, network=network()).encode() == made.read_bytes()
    Image.new("L", (4, 4), 9).save(mask)
    with pytest.raises(RecipeError, match=r"the picture .*mask.png has changed since: SHA-256 was .*, is "):
        rerun(made, network=network())
    mask.unlink()
    with pytest.raises(
        RecipeError, match=r"the picture .*mask.png went in too, and is no longer there: put it back"
    ):
        rerun(made, network=network())


def test_a_stranger_s_picture_has_no_files_elsewhere_read(
    photograph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mirror(network(), photograph).save(photograph.with_name("made.png"))
    (tmp_path / "sent").mkdir()
    monkeypatch.chdir(tmp_path / "sent")
    assert rerun(made, network=network()).encode() == made.read_bytes()  # beside the picture
    sent = made.rename(tmp_path / "sent" / "made.png")
    with pytest.raises(RecipeError, match=r"files read outside its folder: \S*photograph.png\. If they may"):
        rerun(sent, network=network())
    assert rerun(sent, network=network(), picture=photograph).encode() == sent.read_bytes()
    assert rerun(sent, network=network(), trust=True).encode() == sent.read_bytes()
    assert rerun(read_recipe(sent), network=network()).encode() == sent.read_bytes()
    monkeypatch.chdir(photograph.parent)
    assert rerun(sent, network=network()).encode() == sent.read_bytes()  # in the current folder


_OWN = """
from pathlib import Path
from torch import nn

Path(__file__).with_name("was_run").touch()


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU())
"""


def test_somebody_s_python_is_run_only_when_the_recipe_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(_OWN)
    torch.save({f"0.{name}": torch.randn(shape) for name, shape in _SHAPES.items()}, tmp_path / "own.pth")
    architecture = f"{tmp_path / 'own.py'}:Net"
    made = filters(
        open_network(tmp_path / "own.pth", architecture=architecture, input_shape=(1, 3, 8, 8)), "0"
    )
    made.save(tmp_path / "filters.png")
    (tmp_path / "was_run").unlink()
    with pytest.raises(RecipeError, match=r"would run '.*own.py:Net' to build its network"):
        rerun(tmp_path / "filters.png")
    assert not (tmp_path / "was_run").exists()
    again = rerun(tmp_path / "filters.png", trust=True)
    assert again.encode() == (tmp_path / "filters.png").read_bytes() and (tmp_path / "was_run").exists()


_SHAPES = {"weight": (4, 3, 3, 3), "bias": (4,)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"address": "conv2", "steps": 10**9}, "asks for steps 1,000,000,000, and more than 10,000"),
        ({"address": "conv2", "changes": {"steps": 20_000}}, "asks for steps 20,000"),
        ({"address": "conv2", "size": 30_000}, "asks for size 30,000, and more than 4,096"),
        ({"address": "conv2", "rate": float("nan")}, "asks for rate nan"),
        ({"address": "conv2", "size": float("nan")}, "asks for size nan"),
        ({"options": {"input_shape": [1, 3, 60_000, 60_000]}}, "asks for input_shape 60,000"),
        ({"address": "conv2", "size": 4_000, "steps": 9_000}, "asks for about 144,000,000,000 pixels"),
        (
            {"channels": [3] * 512, "changes": {"iterations": 9_000}},
            "asks for about 1,207,959,552,000 pixels",
        ),
        ({"methods": ["rise"] * 5_000}, "asks for about 131,072,000,000 pixels"),
    ],
)
def test_a_stranger_s_recipe_does_not_run_for_days(
    arguments: dict[str, Any], words: str, tmp_path: Path
) -> None:
    recipe = (
        Recipe("activations", **arguments) if "options" in arguments else Recipe("activations", arguments)
    )
    path = Picture(np.zeros((2, 2)), "", recipe).save(tmp_path / "gift.png")
    with pytest.raises(RecipeError, match=words):
        rerun(path, network=network())
    with pytest.raises(RecipeError) as other:  # it is looked at further
        rerun(path, network=network(), trust=True)
    assert "asks for" not in str(other.value)


def test_a_sheet_of_all_of_a_layer_s_units_counts_them(tmp_path: Path) -> None:
    known, made = planted_network(), tmp_path / "gift.png"
    Picture(np.zeros((2, 2)), "", Recipe("feature_sheet", {"layer": "conv1", "size": 2_000})).save(made)
    with pytest.raises(RecipeError, match=r"asks for about 16,384,000,000 pixels"):  # 8 units, 512 steps
        rerun(made, network=known)
    Picture(np.zeros((2, 2)), "", Recipe("feature_sheet", {"layer": "conv1", "size": 16, "steps": 1})).save(
        made
    )
    assert rerun(made, network=known).array.size


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "x" * 100_000}, "there is no such file"),
        ({"network": ""}, "a network's name is empty"),
        ({"weights": "x" * 300}, "cannot be read: File name too long"),
    ],
)
def test_a_recipe_names_no_file_that_there_may_be(
    changes: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    planted_network().save("net.convscope")
    recipe = Recipe("filters", {"address": "conv1"}, **({"network": "net.convscope"} | changes))
    made = Picture(np.zeros((2, 2)), "", recipe).save(tmp_path / "gift.png")
    with pytest.raises(ConvscopeError, match=words):
        rerun(made)


def test_a_recipe_without_a_picture_s_hash_takes_the_picture(photograph: Path) -> None:
    recipe = Recipe("predictions", picture=str(photograph))
    assert (
        rerun(recipe, network=planted_network()).recipe == predictions(planted_network(), photograph).recipe
    )


def test_a_sheet_of_examples_says_what_makes_it() -> None:
    with pytest.raises(RecipeError, match=r"has no photographs: convscope examples makes it"):
        rerun(Recipe("examples", {"address": "conv1:0"}))


def test_a_module_stands_in_for_the_one_that_a_picture_was_made_from(tmp_path: Path) -> None:
    """It was no network ('Sequential' object has no attribute 'sha256'), and without it a file was missed."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n")
    live = open_network(module, input_shape=(1, 3, 8, 8), mean=0, labels=labels)
    made = activations(live, plain_picture(), "0")
    path = made.save(tmp_path / "made.png")
    with pytest.raises(
        NetworkFileError, match=r"Where it has moved, or was one in memory, give it \(--network"
    ):
        rerun(path, picture=plain_picture())
    again = rerun(path, network=module, picture=plain_picture())
    assert (again.array == made.array).all()
    with torch.no_grad():
        module[0].weight.mul_(2)
    with pytest.raises(RecipeError, match="its layers and weights"):
        rerun(path, network=module, picture=plain_picture())
