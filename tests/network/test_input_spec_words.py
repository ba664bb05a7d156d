"""What is done to a picture, in words: every field, its value and where it was found."""

import numpy as np

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
