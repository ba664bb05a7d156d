"""Every picture of a marked function says what made it, in whatever form its arguments came."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

import convscope
from convscope.address import Address
from convscope.network.input_spec import InputSpec
from convscope.pictures.photograph import open_photograph
from convscope.pictures.recipe import Recipe
from convscope.pictures.recording import as_json, input_spec_hash, labels_hash
from mirrored import mirror, network


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


def test_every_form_of_an_argument_gives_the_same_picture(photograph: Path) -> None:
    forms = ((3, 5), [3, 5], np.array([3, 5]), range(3, 7, 2))
    first, *others = (mirror(network(), photograph, columns=form) for form in forms)
    assert all(other.encode() == first.encode() for other in others)
    by_text = mirror(network(), photograph, "conv1:3@1,2")
    assert mirror(network(), photograph, Address("conv1", 3, (1, 2))).encode() == by_text.encode()


def test_what_the_network_ate_and_its_labels_have_hashes() -> None:
    spec = InputSpec((4, 4), mean=(0.5, 0.5, 0.5))
    named = SimpleNamespace(input_spec=spec, labels=("a", "b"))
    assert input_spec_hash(named) == spec.replace(because="another reason").sha256
    others = [spec.replace(mean=(0.5, 0.5, 0.4)), spec.replace(channel_order="BGR"), spec.replace(crops=10)]
    others += [spec.replace(mean=np.full((3, 4, 4), 0.5)), spec.replace(antialias=False)]
    assert len({spec.sha256, *(other.sha256 for other in others)}) == 6
    assert labels_hash(named) == labels_hash(SimpleNamespace(labels=["a", "b"]))
    assert (
        len({labels_hash(SimpleNamespace(labels=names)) for names in (None, (), ("a", "b"), ("a,b",))}) == 4
    )
    assert (input_spec_hash(object()), labels_hash(object())) == (None, None)


def test_what_is_no_data_is_named() -> None:
    large = np.zeros((3, 99, 99))
    named = as_json({"labels": Path("a/b.txt"), "mean": large, "objective": max})
    assert named["labels"] == "a/b.txt" and named["objective"] == {
        "not recorded": "builtin_function_or_method"
    }
    assert named["mean"]["not recorded"] == "ndarray"
    pictures = [open_photograph(name) for name in ("chelsea", "coffee")]
    kinds = [
        large,
        large + 1,
        large[:2],
        torch.zeros(9),
        torch.ones(9),
        *pictures,
        [large, large + 1],
        [large, large],
    ]
    kinds += [[pictures[0], "a.png"], [pictures[0], "b.png"], Image.new("L", (3, 2)), Image.new("L", (2, 3))]
    hashes = [as_json(kind)["sha256"] for kind in kinds]
    assert len({*hashes}) == len(kinds) and hashes == [as_json(kind)["sha256"] for kind in kinds]


def test_every_picture_file_an_argument_names_has_its_hash(photograph: Path) -> None:
    other = photograph.with_name("no_ending")
    other.write_bytes(photograph.read_bytes() + b"0")
    note = photograph.with_name("note.txt")
    note.write_text("no picture")
    extra = {
        "styles": {str(photograph): 0.5},
        "masks": [None, str(other)],
        "words": [str(note), "conv1:3", ""],
    }
    recipe = mirror(network(), np.zeros((4, 4)), extra=extra).recipe
    assert recipe is not None
    hashes = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (photograph, other)}
    assert recipe.pictures == hashes
    assert Recipe.from_json(recipe.to_json()).pictures == hashes
    sample = mirror(network(), np.zeros((4, 4)), extra="coffee").recipe
    assert sample is not None
    assert sample.pictures == {"coffee": open_photograph("coffee").sha256}
