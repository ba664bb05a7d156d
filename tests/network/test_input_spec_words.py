"""What is done to a picture, in words: every field, its value and where it was found."""

import numpy as np
import pytest

from convscope.errors import InputError
from convscope.network.input_spec import InputSpec


def test_describe_shows_every_field_and_which_parts_are_guesses() -> None:
    spec = InputSpec((224, 224), "BGR", provenance={"size": "input shape", "channel_order": "guess"})
    spec = spec.replace(mean=(1.0, 2.0, 3.0), because="mean file m.npy")
    lines = spec.describe().splitlines()
    assert [line.split()[0] for line in lines] == [
        *("size", "channel_order", "layout", "raw_scale", "mean", "input_scale", "resize", "crops"),
    ]
    assert lines[0].split("  ")[0] == "size"
    assert lines[0].endswith("224 x 224 (height x width)                      (input shape)")
    assert lines[4].split("(")[-1] == "mean file m.npy)"
    assert str(spec).endswith("(guessed: channel_order, layout, raw_scale, input_scale, resize, crops)")
    known = spec.replace(
        because="you", layout="NCHW", raw_scale=1.0, input_scale=1.0, resize="direct", crops=1
    )
    assert str(known.replace(channel_order="RGB")).count("guessed") == 0


def test_one_line_tells_the_steps_in_order() -> None:
    spec = InputSpec((224, 200), "BGR", raw_scale=255, input_scale=(1.0, 0.5, 2.0), antialias=False)
    spec = spec.replace(resize="squash", resize_size=256, mean=np.full((3, 224, 200), 7.0))
    assert str(spec).partition(" (guessed")[0] == (
        "squash to 256 x 256, then crop, bilinear without antialiasing 224 x 200; BGR; 0..255; "
        "minus a picture 3 x 224 x 200, on average 7, 7, 7; times 1, 0.5, 2"
    )


def test_the_note_names_what_is_guessed_alone_with_what_says_it() -> None:
    spec = InputSpec((224, 224), provenance={"layout": "format"})
    assert spec.note == (
        "nothing says how a picture becomes its input; guessed: 224 x 224; RGB; 0..1; no mean (--input-shape, "
        "--channel-order, --raw-scale and --mean say it, input_shape=, channel_order=, raw_scale= and mean= in Python)"
    )
    mine = spec.replace(size=(32, 32), raw_scale=1.0, mean=0.5, input_scale=2.0)
    assert mine.note == (
        "how a picture becomes its input is guessed in part: RGB (--channel-order says it, "
        "channel_order= in Python)"
    )
    assert mine.replace(channel_order="BGR").note is None
    assert (
        InputSpec((8, 8), "GRAY", provenance=dict.fromkeys(("size", "raw_scale", "mean"), "file")).note
        is None
    )


def test_settings_by_the_names_that_other_libraries_have() -> None:
    spec = InputSpec((8, 8))
    with pytest.raises(
        InputError, match=r"no 'std'. It divides, and input_scale multiplies: input_scale=\(2, 4, 8\)"
    ):
        spec.replace(std=(0.5, 0.25, 0.125))
    for value in ("half", 0, None):
        with pytest.raises(
            InputError, match=r"no 'std'. It divides, and input_scale multiplies: 1 / std. Possible"
        ):
            spec.replace(std=value)
    with pytest.raises(InputError, match=r"no 'input_size'. Here it is 'size'. Possible"):
        spec.replace(input_size=(8, 8))
