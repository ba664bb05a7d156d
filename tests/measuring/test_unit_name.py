"""Names of units: what they tell from all others, on pictures they were not chosen by, and "no name" else."""

from math import comb
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope import examples, measure
from convscope.measuring.unit_name import average_precisions
from planted import planted_network

CLASSES = ("blue", "green", "red")


def pictures(folder: Path, labels: list[str], seed: int = 1) -> Path:
    """Twenty noisy pictures of each color, in folders called as `labels` say in turn."""
    random = np.random.default_rng(seed)
    for index in range(60):
        pixels = random.integers(0, 120, (34, 37, 3), dtype=np.uint8)
        pixels[..., 2 - index % 3] = random.integers(90, 250, (34, 37), dtype=np.uint8)
        place = folder / labels[index % len(labels)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{index:02}.png")
    return folder


def test_planted_detectors_have_their_color_as_a_name_and_others_have_none(tmp_path: Path) -> None:
    found = measure(planted_network(), pictures(tmp_path / "photos", [*CLASSES]), ["conv1", "conv2"])
    names = found.names("conv2")
    alone = [found.names(f"conv2:{channel}") for channel in range(found.layers["conv2"].channels)]
    assert alone == [{channel: names[channel]} if channel in names else {} for channel in range(len(alone))]
    assert {channel: name.label for channel, name in names.items()} == {0: "red", 1: "green", 2: "blue"}
    for channel, name in names.items():
        held_back = [row for row, path in enumerate(found.manifest.pictures) if row % 20 >= 10]
        hits = np.array([found.labels[row] == name.label for row in held_back])
        values = found.values(f"conv2:{channel}")[held_back]
        assert values[hits].min() > values[~hits].max()  # all ten before the other twenty
        assert name.average_precision == 1.0 and name.chance == pytest.approx(1 / 3)
        # 20 equal zeros: 5.22 standard deviations; 11 units, 3 classes. No smaller than counted out.
        assert name.p == pytest.approx(33 * 9.1e-8, rel=0.02) and name.p > 33 / comb(30, 10)
    colors = found.names("conv1")
    assert [colors[channel].label for channel in (0, 1, 2)] == ["red", "green", "blue"]
    assert 7 not in colors  # dead
    assert "conv2:0" in (caption := examples(planted_network(), "conv2:0", tmp_path / "photos").caption)
    assert "Its name: red (AUPRC 1.00, by chance 0.33, p = " in caption


def test_classes_that_say_nothing_name_nothing(tmp_path: Path) -> None:
    """Pictures of every color in each folder: some unit is the best for some class, by chance."""
    folder = pictures(tmp_path / "photos", ["a", "a", "b", "b"])
    found = measure(planted_network(), folder, ["conv1", "conv2"])
    assert found.names("conv1") == found.names("conv2") == {}
    assert "No name: " in examples(planted_network(), "conv2:0", folder).caption


def test_what_is_called_nothing_is_not_judged(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos", ["one"])
    assert measure(planted_network(), folder, ["conv2"]).names("conv2") == {}
    caption = examples(planted_network(), "conv2:0", folder).caption
    assert "No name" not in caption and "Its name" not in caption


def test_average_precision_is_the_area_of_its_steps() -> None:
    """Written out threshold by threshold, equal answers together."""
    random = np.random.default_rng(7)
    answers = random.integers(0, 9, 83).astype(np.float32)
    hits = random.random((83, 3)) < 0.3
    for column, got in enumerate(average_precisions(answers, hits)):
        area, recall_before = 0.0, 0.0
        for threshold in sorted({*answers.tolist()}, reverse=True):
            chosen = answers >= threshold
            precision, recall = (
                hits[chosen, column].mean(),
                hits[chosen, column].sum() / hits[:, column].sum(),
            )
            area, recall_before = area + (recall - recall_before) * precision, recall
        assert got == pytest.approx(area, abs=1e-12)
