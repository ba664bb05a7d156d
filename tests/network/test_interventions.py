"""Units set from outside: equal to a hook that writes the value, in every kind of setting."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor

import convscope
from convscope.cli import main
from convscope.errors import InputError, UnknownLayer
from convscope.pictures.photograph import open_photograph
from convscope.pictures.recipe import read_recipe
from planted import planted_files, planted_network
from torch_cases import Branches, branches, noise


def hooked(write: Callable[[Tensor], None]) -> Tensor:
    """Return the scores of the twin, of which a hook writes over what its second convolution answers."""
    twin: Branches = branches()

    def hook(_: object, __: object, answer: Tensor) -> Tensor:
        answer = answer.clone()
        write(answer)
        return answer

    twin.second.register_forward_hook(hook)
    return twin(noise())


def zero(answer: Tensor) -> None:
    answer[:, 2] = 0


def clamp(answer: Tensor) -> None:
    answer[:, 2] = 1.75
    answer[:, 5, 3, 7] = -2.5


def scale(answer: Tensor) -> None:
    answer[:, 4] *= -4


def whole(answer: Tensor) -> None:
    answer[:] = 0.25


@pytest.mark.parametrize(
    ("settings", "write"),
    [
        ({"second:2": 0.0}, zero),
        ({"second:2": 1.75, "second:5@3,7": "-2.5"}, clamp),
        ({"second:4": "*-4"}, scale),
        ({"second": 0.25}, whole),
        ({"second": np.float32(0.25)}, whole),
        ({"second": torch.tensor(0.25)}, whole),
    ],
)
def test_it_is_what_a_hook_writes(settings: dict[str, float | str], write: Callable[[Tensor], None]) -> None:
    network = convscope.open_network(branches(), input_shape=(1, 3, 24, 24))
    changed = network.with_units(settings)
    found = changed.activations(noise(), network.class_scores)[network.class_scores]
    torch.testing.assert_close(found, hooked(write), rtol=0, atol=1e-6)
    assert (found - branches()(noise())).abs().max() > 0.001
    before = network.activations(noise(), network.class_scores)[network.class_scores]
    torch.testing.assert_close(before, branches()(noise()), rtol=0, atol=1e-6)
    assert list(changed.layers) == list(network.layers)
    assert network.sha256 != changed.sha256


@pytest.mark.parametrize("last", [False, True])
def test_a_unit_gets_the_answer_to_another_picture(last: bool, tmp_path: Path) -> None:
    network = planted_network(channels_last=last)
    random = np.random.default_rng(3)
    folder = tmp_path / "others"
    folder.mkdir()
    for name in ("a", "b"):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"{name}.png")

    def answer(picture: Path) -> Tensor:
        return network.channels_first(
            "conv1", network.activations(network.preprocess(picture), "conv1")["conv1"]
        )

    x = network.preprocess("coffee")
    patched = network.with_units({"conv1:3": folder / "a.png"})
    found = network.channels_first("conv1", patched.activations(x, "conv1")["conv1"])
    torch.testing.assert_close(found[:, 3], answer(folder / "a.png")[:, 3])
    own = network.channels_first("conv1", network.activations(x, "conv1")["conv1"])
    torch.testing.assert_close(found[:, 4], own[:, 4])
    with Image.open(folder / "a.png") as image:
        in_memory = (image.copy(), np.asarray(image), open_photograph(folder / "a.png"))
    own_answer = answer(folder / "a.png")
    for given in (*in_memory, own_answer[0, 3]):
        again = network.with_units({"conv1:3": given})
        torch.testing.assert_close(
            again.activations(x, "conv1")["conv1"], patched.activations(x, "conv1")["conv1"]
        )
    for whole in (own_answer, own_answer[0]):
        again = network.with_units({"conv1": whole})
        torch.testing.assert_close(
            network.channels_first("conv1", again.activations(x, "conv1")["conv1"]), own_answer
        )
    mean = network.with_units({"conv1": folder}).activations(x, "conv1")["conv1"]
    expected = (answer(folder / "a.png") + answer(folder / "b.png")) / 2
    torch.testing.assert_close(network.channels_first("conv1", mean), expected)


def test_gradients_go_around_what_is_set() -> None:
    network = planted_network()
    x = network.preprocess("coffee")
    assert network.gradient(x, "scores:0").any()
    assert not network.with_units({"conv2:0": 3.0}).gradient(x, "scores:0").any()


def test_a_copy_that_was_used_is_freed_at_once_with_its_weights() -> None:
    """Not when the collector comes: a page makes a copy for each move of a slider."""
    network = planted_network()
    copy = network.with_units({"conv1:1": 0.5})
    (given,) = copy.input_shapes((40, 36)).values()
    copy.activations(torch.rand(given), "prob")
    copy.gradient(torch.rand(given), "prob:0")
    copy.resolve("conv2:1")
    modules = [*copy._runner._modules.values()]
    held = [ref(copy), *map(ref, modules)]
    gc.collect()
    gc.disable()
    try:
        del copy, modules
        assert [one() for one in held] == [None] * len(held)
    finally:
        gc.enable()


def test_the_input_can_be_set() -> None:
    network = planted_network()
    changed = network.with_units({"data:1": 0.5})
    x = network.preprocess("coffee")
    other = x.clone()
    other[:, 1] = 0.5
    torch.testing.assert_close(
        changed.activations(x, "prob")["prob"], network.activations(other, "prob")["prob"]
    )


def test_the_command_line_sets_units_and_a_rerun_does_again(tmp_path: Path) -> None:
    folder = planted_files(tmp_path / "planted")
    path = tmp_path / "made.png"
    arguments = ["evidence", str(folder), "coffee", "red", "--set", "conv1:0=0", "--set", "conv1:1=*0.5"]
    result = CliRunner().invoke(main, [*arguments, "-o", str(path)])
    assert result.exit_code == 0, result.output
    network = convscope.open_network(folder)
    changed = network.with_units({"conv1:0": 0, "conv1:1": "*0.5"})
    found = convscope.grad_cam(changed, "coffee", "red")
    assert read_recipe(path) == found.recipe
    assert (found.values != convscope.grad_cam(network, "coffee", "red").values).any()
    assert convscope.rerun(path).save(tmp_path / "again.png").read_bytes() == path.read_bytes()


def test_a_copy_of_a_copy_is_made_again_step_by_step(tmp_path: Path) -> None:
    """In one step a picture's answer would be that of the network as it was, and a later setting would come first."""
    folder = planted_files(tmp_path / "planted")
    network = convscope.open_network(folder)
    steps = [{"conv1:0": 0.0, "conv1": "*0.5"}, {"conv2:1": "chelsea"}, {"conv1:0": "*3"}, {"conv1": 0.25}]
    copy = network
    for step in steps:
        copy = copy.with_units(step)
    path = tmp_path / "made.png"
    convscope.saliency(copy, "coffee", "red").save(path)
    recipe = read_recipe(path)
    assert recipe.options["units"] == steps
    again = convscope.rerun(path, trust=True)
    assert again.save(tmp_path / "again.png").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("nothing.png", r"conv1:2 cannot be 'nothing.png': give a number, \*FACTOR, a picture"),
        ("", "conv1:2 cannot be '': give a number"),  # not the pictures of the current folder
        ("x" * 5000, "give a number"),
        ("*much", r"after \* stands the factor"),
        ("nan", "is a finite number"),
        (float("inf"), "is a finite number"),
        ("*1e99", "is a finite number"),
        (None, "cannot be a NoneType: give a number"),
        ([1.0, 2.0], "cannot be a list: give a number"),
        (
            torch.zeros(2, 8, 32, 32),
            r"cannot be a tensor of \(2, 8, 32, 32\): 'conv1' answers \(1, 8, 32, 32\)",
        ),
    ],
)
def test_a_setting_that_is_none_is_said(setting: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planted_network().with_units({"conv1:2": setting})


def test_what_cannot_be_set_is_said(tmp_path: Path) -> None:
    network = planted_network()
    with pytest.raises(UnknownLayer, match="8 channels, 0 to 7; there is no 9"):
        network.with_units({"conv1:9": 0.0})
    at_a_place = network.with_units({"conv1:2@3,4": 1.0})
    with pytest.raises(
        InputError, match="set to is for 1x8x32x32, and this input makes 1x8x40x40: open the network"
    ):
        at_a_place.activations(torch.zeros(1, 3, 40, 40), "conv1")
    result = CliRunner().invoke(main, ["classify", str(planted_files(tmp_path)), "coffee", "--set", "conv1"])
    assert result.exit_code == 2 and "ADDRESS=VALUE" in result.output
