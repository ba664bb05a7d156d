from pathlib import Path

import pytest

from convscope.errors import (
    ConvscopeWarning,
    InputError,
    by_name,
    did_you_mean,
    require_known,
    require_one_of,
    warn,
)


def test_the_closest_names_are_offered() -> None:
    assert did_you_mean("mixed4z", ["mixed4a", "mixed5b", "prob"]) == " Did you mean 'mixed4a' or 'mixed5b'?"
    assert did_you_mean("CONV1", ["conv1"]) == " Did you mean 'conv1'?"
    assert did_you_mean("3a", ["inception_3a/1x1", "prob"]) == " Did you mean 'inception_3a/1x1'?"
    assert did_you_mean("zzz", ["conv1"]) == ""


def test_what_has_a_name_is_found_or_the_closest_are_offered() -> None:
    assert by_name({"light": 1, "dark": 2}, "dark", "theme") == 2
    with pytest.raises(InputError) as refused:
        by_name({"light": 1, "dark": 2}, "drak", "theme")
    assert str(refused.value) == "there is no theme 'drak'. Did you mean 'dark'? Possible: light, dark"


def test_a_value_that_is_none_of_a_few_is_answered_with_the_few() -> None:
    require_one_of("edges", "zeros", ["zeros", "reflect"])
    with pytest.raises(InputError) as refused:
        require_one_of("edges", "refelct", ["zeros", "reflect"])
    assert str(refused.value) == "edges cannot be 'refelct'. Did you mean 'reflect'? Possible: zeros, reflect"
    with pytest.raises(InputError, match=r"edges cannot be None. Possible: zeros, reflect"):
        require_one_of("edges", None, ["zeros", "reflect"])


def test_what_a_thing_does_not_have_is_named_with_the_closest() -> None:
    require_known("a dream", ["rate"], ["rate", "octaves"])
    with pytest.raises(
        InputError, match=r"a dream has no 'octave'. Did you mean 'octaves'\? Possible: rate, octaves"
    ):
        require_known("a dream", ["rate", "octave"], ["rate", "octaves"])


def test_of_a_very_long_message_the_middle_is_left_out() -> None:
    said = str(InputError(f"layer {'x' * 5000!r} is not known\nrename it"))
    assert len(said) < 1300 and "\n" not in said
    assert said.startswith("layer 'xxx") and "xxx ... xxx" in said and said.endswith("is not known rename it")


def test_a_warning_names_the_line_of_ones_own_that_led_to_it(recwarn: pytest.WarningsRecorder) -> None:
    """Not the line inside that said it, nor another library's in between: a notebook shows that line."""
    calls: dict[str, object] = {"do": warn}
    for module in ("convscope.network.inner", "torch.decorators", "convscope.network.outer", "ones.own"):
        space = {"__name__": module, "call": calls["do"]}
        exec(compile("def do(words):\n    call(words)", f"{module}.py", "exec"), space)
        calls = space
    calls["do"]("guessed")  # type: ignore[operator]
    (said,) = recwarn
    assert (Path(said.filename).name, said.lineno) == ("ones.own.py", 2)
    assert (said.category, str(said.message)) == (ConvscopeWarning, "guessed")
