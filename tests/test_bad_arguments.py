"""Every public function is given every kind of bad input: one line of convscope's, never an exception of torch's."""

import copy
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convscope
from convscope import ConvscopeError
from convscope.argument_errors import fits
from convscope.errors import InputError
from planted import edge_picture, planted_network

pytestmark = pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
BAD: dict[str, Any] = {
    "None": None,
    "an object": object(),
    "a number": -1,
    "not a number": float("nan"),
    "true": True,
    "a mapping": {},
    "a missing file": "no/such.png",
    "no name": "a\0b",
    "hostile text": "conv9\n\x1b[31mred",
    "a folder": "empty",
    "numbers that are none": np.full((20, 20, 3), np.nan, np.float32),
    "another shape": torch.zeros(1, 7, 5),
    "deep lists": [[["x"]]],
    "nowhere": torch.zeros(1, 3, 32, 32, device="meta"),
    "sparse": torch.zeros(1, 3, 32, 32).to_sparse(),
    "half precision": torch.zeros(1, 3, 32, 32, dtype=torch.bfloat16),
    "no picture": torch.zeros(0, 3, 32, 32),
    "an array of one number": np.array(5),
    "a small number of NumPy's": np.uint8(3),
    "a name too long": "x" * 300,
    "a number without an end": 10**30,
    "no end": float("inf"),
}
QUICK = {"steps": 2, "size": 12, "samples": 2, "methods": ["saliency"], "iterations": 1, "trials": 2}
LONG = {
    "style_transfer",
    "make_report",
    "trust",
    "fine_tune",
    "extremal_perturbation",
}  # each of their runs takes seconds


def functions() -> list[str]:
    return [
        name
        for name in convscope.__all__
        if name not in LONG and inspect.isfunction(getattr(convscope, name))
    ]


def good(name: str, photographs: Path) -> dict[str, Any]:
    """Return arguments with which a function is quickly done."""
    known = {"target": "scores:0", "layer": "conv2", "address": "conv1:0", "style": edge_picture()}
    known |= {"network": planted_network(), "picture": edge_picture(), "source": planted_network()}
    known |= {"targets": ["scores:0"], "pictures": str(photographs), "photographs": str(photographs)}
    wanted = inspect.signature(getattr(convscope, name)).parameters.values()
    return {
        one.name: known.get(one.name, QUICK.get(one.name))
        for one in wanted
        if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        and (one.default is one.empty or one.name in QUICK)
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", functions())
def test_a_bad_argument_is_named_in_one_line(
    name: str, photograph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photograph.parent)
    Path("empty").mkdir()
    function, arguments = getattr(convscope, name), good(name, photograph.parent)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            for bad, value in BAD.items():
                require_one_line(function, arguments | {parameter.name: value}, f"{parameter.name}={bad}")


THINGS = {
    "Network": lambda: planted_network(),
    "Picture": lambda: convscope.filters(planted_network(), "conv1"),
    "Attribution": lambda: convscope.saliency(planted_network(), edge_picture(), "scores:0"),
    "InputSpec": lambda: planted_network().input_spec,
    "Recipe": lambda: convscope.filters(planted_network(), "conv1").recipe,
}
INTERNAL = {"from_rgb", "to_rgb", "replace", "compile", "data_uri", "explore"}


def methods() -> list[tuple[str, str]]:
    return [
        (name, method)
        for name in THINGS
        for method, function in inspect.getmembers(getattr(convscope, name), callable)
        if not method.startswith("_") and method not in INTERNAL and inspect.signature(function).parameters
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "method"), methods())
def test_a_bad_argument_of_a_method_is_named_in_one_line(
    name: str, method: str, photograph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photograph.parent)
    Path("empty").mkdir()
    thing, network = THINGS[name](), planted_network()
    known = {"input": network.preprocess(edge_picture()), "picture": edge_picture(), "address": "conv1:0"}
    known |= {"targets": ["conv2"], "size": (12, 12), "value": "conv1", "path": "out.png"}
    function = getattr(thing, method)
    own = [
        one
        for one in inspect.signature(function).parameters.values()
        if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    ]
    arguments = {one.name: known.get(one.name) for one in own if one.default is one.empty}
    for parameter in own:
        for bad, value in BAD.items():
            require_one_line(function, arguments | {parameter.name: value}, f"{parameter.name}={bad}")


def require_one_line(function: Any, arguments: dict[str, Any], what: str) -> None:
    try:
        function(**arguments)
    except ConvscopeError as error:
        assert "\n" not in str(error), what
        assert "\x1b" not in str(error), what
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__} {error}") from error


@pytest.mark.parametrize(
    ("value", "expected", "result"),
    [
        (3, int | None, True),
        (None, int | None, True),
        (True, int, False),
        (np.int64(3), int, True),
        (3, float, True),
        (float("nan"), float, False),
        ("x", Sequence[str], False),
        (["x"], Sequence[str], True),
        (["x", 1], Sequence[str], False),
        ((1, 2), tuple[int, int], True),
        ((1, 2, 3), tuple[int, int], False),
        ((1, 2, 3), tuple[int, ...], True),
        ({"a": 1}, dict[str, int], True),
        ({"a": "b"}, dict[str, int], False),
        (object(), Any, True),
        (np.zeros(3), bool, False),
    ],
)
def test_what_fits_an_annotation(value: object, expected: Any, result: bool) -> None:
    assert fits(value, expected) is result


def test_the_argument_is_named() -> None:
    with pytest.raises(ConvscopeError, match=r"^filters: tile_size is 'many', not a whole number"):
        convscope.filters(planted_network(), "conv1", tile_size="many")  # type: ignore[arg-type]
    with pytest.raises(
        ConvscopeError,
        match=r"^filters: there is no argument 'tilesize'\. Did you mean 'tile_size'.* Possible: net",
    ):
        convscope.filters(planted_network(), "conv1", tilesize=9)  # type: ignore[call-arg]
    network = planted_network()
    for given, words in {
        "meta": (torch.zeros(1, 3, 32, 32, device="meta"), r"is Tensor of .* on the meta device"),
        "sparse": (torch.zeros(1, 3, 32, 32).to_sparse(), r"is a sparse or quantized Tensor"),
        "empty": (torch.zeros(0, 3, 32, 32), r"is Tensor of shape \(0, 3, 32, 32\), which holds no"),
    }.values():
        with pytest.raises(ConvscopeError, match=words):
            convscope.activations(network, given, "conv1")  # type: ignore[arg-type]
    with pytest.raises(ConvscopeError, match=r"seed is 1000.*, and a seed has 64 bits"):
        convscope.smoothgrad(network, edge_picture(), "scores:0", samples=1, seed=10**30)
    with pytest.raises(
        ConvscopeError, match=r"photographs is 0, not|photographs is ndarray of shape \(\), not"
    ):
        convscope.examples(network, "conv1", np.array(0))
    with pytest.raises(ConvscopeError, match=r"photographs is 'xxx.*, and a name of 300 bytes is longer"):
        convscope.examples(network, "conv1", "x" * 300)
    with pytest.raises(ConvscopeError, match=r"percentile is between 50 and 100, not 1e\+300"):
        convscope.compare_methods(network, edge_picture(), ["scores:0"], percentile=1e300)
    for function, endless in (
        (convscope.rise, {"samples": 10**30}),
        (convscope.smoothgrad, {"samples": float("inf")}),
        (convscope.integrated_gradients, {"max_steps": 10**30}),
        (convscope.sanity_check, {"maps": 10**30}),
    ):
        with pytest.raises(
            ConvscopeError, match=r"(samples|max_steps|maps) is .*, not a whole number of at most 1,000,000$"
        ):
            function(network, edge_picture(), "scores:0", **endless)  # type: ignore[operator]
    for function, address in (
        (convscope.feature_visualization, "conv1:0"),
        (convscope.feature_sheet, "conv1"),
    ):
        with pytest.raises(ConvscopeError, match=r"steps is 1e\+30, not"):
            function(network, address, steps=10**30)  # type: ignore[operator]
    half = torch.rand(1, 3, 32, 32).bfloat16()
    whole, small = convscope.activations(network, half.float(), "conv1"), np.uint8(200)
    assert np.array_equal(convscope.activations(network, half, "conv1").array, whole.array)
    larger = convscope.feature_visualization(network, "conv1:0", size=small, steps=1)  # 2 * 200 fits no uint8
    assert larger[0].array.shape == (200, 200, 3)
    with pytest.raises(ConvscopeError, match=r"^predict: .*Did you mean 'top'\? Possible: picture, top$"):
        planted_network().predict(edge_picture(), tpo=1)  # type: ignore[call-arg]
    with pytest.raises(ConvscopeError, match="network is None, not a Network"):
        convscope.layer_table(None)  # type: ignore[arg-type]


def test_what_is_possible_is_named_with_its_article() -> None:
    with pytest.raises(
        convscope.ConvscopeError, match=r"not a text or an Address or an Objective or several"
    ):
        convscope.feature_visualization(planted_network(), lambda answers: answers)  # type: ignore[arg-type]


def test_habits_of_other_libraries_are_answered() -> None:
    module, network = nn.Conv2d(3, 4, 3), planted_network()
    with pytest.raises(InputError, match=r"not a Network: convscope\.open_network gives one"):
        convscope.filters(module, "conv1")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"address is Conv2d\(.*, not an address such as conv1:42"):
        convscope.filters(network, module)  # type: ignore[arg-type]
    for name, here in (
        ("GradCAM", "grad_cam"),
        ("render_vis", "feature_visualization"),
        ("fliters", "filters"),
    ):
        with pytest.raises(AttributeError, match=f"convscope has no '{name}'. Did you mean '{here}'"):
            getattr(convscope, name)
    for name, here in (
        ("eval", "always in evaluation mode"),
        ("summary", "layer_table"),
        ("to", "device='cuda'"),
    ):
        with pytest.raises(AttributeError, match=here):
            getattr(network, name)
    with pytest.raises(AttributeError, match="'Network' object has no attribute 'conv1'"):
        _ = network.conv1
    assert not hasattr(network, "forward") and copy.copy(network).name == network.name


def test_what_argmax_gives_is_a_class() -> None:
    network = planted_network()
    scores = torch.tensor([0.1, 0.7, 0.2])
    found = convscope.saliency(network, edge_picture(), scores.argmax())  # type: ignore[arg-type]
    assert found.recipe is not None and found.recipe.arguments["target"] == 1
    assert found.encode() == convscope.saliency(network, edge_picture(), 1).encode()
