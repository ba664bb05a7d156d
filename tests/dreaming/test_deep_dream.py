"""Dreams of planted and real networks: choices, captions, recipes, and an objective that rises."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import convscope
from convscope.dreaming import deep_dream as module
from convscope.dreaming.deep_dream import Dream, deep_dream, dream_of
from convscope.errors import InputError
from convscope.optimization.memory_plan import MemoryPlan
from convscope.optimization.objective_batch import objective_batch
from convscope.optimization.objectives import class_score
from convscope.pictures.picture import Picture
from planted import planted_files, planted_network

SMALL = {"octaves": 2, "steps": 2}
NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)


def dream(**wanted: object) -> Dream:
    return dream_of(planted_network(), NOISE, **{"layers": "conv2", "changes": SMALL} | wanted)  # type: ignore[arg-type]


def last(found: Dream) -> torch.Tensor:
    (step,) = deque(found.steps(), maxlen=1)
    return found.pixels(step)


def test_the_default_dreams_of_any_network_with_or_without_a_picture() -> None:
    for source in (NOISE, None):
        picture = deep_dream(planted_network(), source, changes=SMALL, size=64)
        assert max(picture.array.shape[:2]) == 64
        assert picture.caption.startswith("A dream of planted: conv")
        assert "made larger by 4 steps over 2 sizes (preset default, rate 0.006)" in picture.caption


@pytest.mark.parametrize("layers", ["conv1:0", "prob:green", {"conv1": 1.0, "conv2": 0.5}])
def test_what_is_wished_for_grows(layers: object) -> None:
    values = [step.value for step in dream(layers=layers).steps()]
    assert values[1] > values[0] and values[3] > values[2]


def test_a_class_is_its_logit_or_in_the_lectures_presets_its_probability() -> None:
    network = planted_network(labels=("red", "school bus", "blue"))
    assert dream_of(network, NOISE, "prob:red").terms[0].words == "red (logit)"
    found = dream_of(network, NOISE, preset="cadl-decay", rate=1.0)
    assert found.terms[0].words == "school bus (probability)"
    score = objective_batch(network, [class_score(network, 1, "probability")]).scores(
        found.settings.pictures(found.start)
    )
    assert next(found.steps()).value == pytest.approx(float(score))
    with pytest.raises(InputError, match="dreams of a school bus, a class that planted does not know"):
        dream_of(planted_network(), NOISE, preset="cadl-decay", rate=1.0)


def test_channels_by_rank_are_those_of_the_picture() -> None:
    red = np.full((48, 48, 3), (255, 30, 0), np.uint8)
    found = dream_of(planted_network(), red, "conv1", channels="strongest:1")
    assert found.terms[0].words == "conv1, mean square of channel 0"


def test_a_mask_and_the_colors_are_kept(tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[:, :32] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    found = last(dream(mask=str(tmp_path / "mask.png"))).movedim(0, -1).numpy() * 255
    assert np.abs(found[:, 34:] - NOISE[:, 34:]).max() < 0.01
    assert np.abs(found[:, :30] - NOISE[:, :30]).max() > 3
    gray = np.repeat(NOISE[:, :, :1], 3, axis=2)
    kept = last(dream_of(planted_network(), gray, "conv1", keep_colors=True, changes=SMALL))
    assert float(kept.std(0).max()) < 1e-3 and np.abs(kept[0].numpy() * 255 - gray[:, :, 0]).max() > 3


def test_opacity_survives(tmp_path: Path) -> None:
    alpha = np.full((48, 64, 1), 255, np.uint8)
    alpha[:10] = 0
    Image.fromarray(np.concatenate([NOISE, alpha], axis=2)).save(tmp_path / "cut.png")
    found = deep_dream(planted_network(), tmp_path / "cut.png", "conv2", changes=SMALL)
    assert np.array_equal(found.array[:, :, 3:], alpha)


def test_a_guide_is_followed(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "blue").save(tmp_path / "blue.png")
    found = last(dream(layers="conv1", guide=str(tmp_path / "blue.png"), changes=SMALL | {"rate": 0.05}))
    change = found.numpy() - NOISE.transpose(2, 0, 1) / 255
    assert change[2].mean() > change[0].mean() + 0.02


def test_layers_keep_their_weights_with_a_guide() -> None:
    blue = np.full((40, 40, 3), (0, 0, 255), np.uint8)
    found = dream_of(planted_network(), NOISE, {"conv1": 2.0, "conv2": 1.0}, guide=blue)
    assert [term.weight for term in found.terms] == [2.0, 1.0]
    with pytest.raises(InputError, match="leave out either channels or guide"):
        dream_of(planted_network(), NOISE, "conv1", guide=blue, channels=(1,))


def test_a_guide_keeps_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[tuple[int, ...]]()
    terms_of = module.terms_of

    def watched(*positional: Any, guide: torch.Tensor, **wanted: Any) -> Any:
        seen.append(tuple(guide.shape[2:]))
        return terms_of(*positional, guide=guide, **wanted)

    monkeypatch.setattr(module, "terms_of", watched)
    for width in (40, 1400):
        dream_of(planted_network(), NOISE, "conv1", guide=np.zeros((40, width, 3), np.uint8), size=160)  # type: ignore[arg-type]
    assert seen == [(40, 40), (29, 1024)]


def test_memory_chooses_the_tile_and_the_recipe_says_which() -> None:
    wanted = {"changes": {"octaves": 1, "steps": 1}, "size": 400}
    whole = deep_dream(planted_network(), NOISE, "conv1", **wanted)  # type: ignore[arg-type]
    plenty = deep_dream(planted_network(), NOISE, "conv1", memory="50GB", **wanted)  # type: ignore[arg-type]
    assert plenty.recipe == whole.recipe and whole.recipe is not None
    assert not {"tile", "memory"} & whole.recipe.arguments.keys()
    with pytest.raises(InputError, match=r"1 MB is too little\. 400 x 300: "):
        deep_dream(planted_network(), NOISE, "conv1", memory="1MB", **wanted)  # type: ignore[arg-type]
    tight = MemoryPlan((300, 400), 10, tile=64, tiled=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "memory_plan", lambda *_: tight)
        tiled = deep_dream(planted_network(), NOISE, "conv1", memory="1GB", **wanted)  # type: ignore[arg-type]
    assert tiled.recipe is not None and tiled.recipe.arguments["tile"] == 64
    assert np.abs(tiled.array.astype(int) - whole.array).max() <= 1


def test_tiles_give_the_same_dream() -> None:
    whole, tiled = last(dream()), last(dream(tile=32))
    assert float((whole - tiled).abs().max()) < 1e-4


def test_a_guide_is_followed_in_tiles_and_planned_for() -> None:
    whole = dream(layers="conv1", guide=NOISE[:30, ::-1])
    tiled = whole.in_tiles(32)
    assert float((last(whole) - last(tiled)).abs().max()) < 1e-4
    _, plan = whole.within(None)
    assert plan.whole > 0 and plan.tile is None


def test_half_precision_dreams_nearly_the_same() -> None:
    exact = dream(changes={"steps": 4}, layers="conv2")
    fast = dream(changes={"steps": 4}, fast=True, layers="conv2")
    begun, ended, fast_ended = (
        next(replace(exact, start=exact.settings.values(start[None])).steps()).value
        for start in (exact.settings.pictures(exact.start)[0], last(exact), last(fast))
    )
    assert fast_ended - begun > 0.9 * (ended - begun) > 0


def test_tf2_comes_back_to_the_pictures_size() -> None:
    found = dream_of(planted_network(), NOISE, "conv2", preset="tf2", size=96, changes={"steps": 1})
    steps = list(found.steps())
    assert steps[-1].values.shape[3] > 96
    assert found.pixels(steps[-1]).shape == (3, 72, 96)


def test_a_rerun_is_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planted_files(tmp_path / "planted")
    Image.fromarray(NOISE).save("noise.png")
    network = convscope.open_network("planted")
    weights = {"conv1": 1.0, "conv2": 0.5}
    path = convscope.deep_dream(network, "noise.png", weights, changes=SMALL, seed=3).save("dream.png")
    assert convscope.rerun(path).encode() == path.read_bytes() == Picture.open(path).encode()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"layers": "conv9"}, "Did you mean 'conv2'"),
        ({"preset": "defalt"}, "Did you mean 'default'"),
        (
            {"changes": {"speed": 2}},
            "a dream has no 'speed'. Did you mean 'seed'\\? Possible: preset, size",
        ),
        ({"changes": {"step": 2}}, "a dream has no 'step'. Did you mean 'steps'"),
        ({"changes": {"steps": "x"}}, "steps is a whole number, at least 1, not 'x'"),
        ({"mask": np.zeros((9, 9), np.uint8)}, "is black everywhere, so nothing would be dreamed"),
        ({"size": -5}, "a size is the longer side in pixels, a whole number from 1 on, not -5"),
        ({"size": 0}, "from 1 on, not 0"),
        ({"layers": "prob:green", "guide": NOISE}, "a guide needs a layer with maps, and prob:green"),
        ({"layers": "scores", "guide": NOISE}, "a guide needs a layer with maps, and scores"),
        ({"layers": "prob:green", "channels": (0,)}, "there is no layer to choose channels"),
        ({"stop_after": 0}, "stop_after is a step from 1 on, not 0"),
        ({"bits": 12}, "bits, how many a channel has, is 8 or 16, not 12"),
        (
            {"changes": {"rate": 1.01}},
            "a step of rate 1.01 goes past .* use a smaller rate \\(the preset's is 0.006",
        ),
        ({"preset": "tf-naive", "rate": 256}, "values reach 255 from black to white"),
        ({"changes": {"rate": -0.01}}, "rate is a number above 0, not -0.01"),
        ({"changes": {"steps": 0}}, "steps is a whole number, at least 1, not 0"),
        ({"changes": {"octave_scale": 1.0}}, "octave_scale is a number above 1, not 1"),
        ({"preset": "google-2015"}, "smallest octave would be 17 x 23.*use fewer octaves"),
        ({"layers": "conv1:7"}, "its gradient is 0 everywhere"),
    ],
)
def test_what_cannot_be_dreamed_is_answered(wanted: dict[str, object], words: str) -> None:
    if wanted.get("size") is not None:  # from noise too
        with pytest.raises(InputError, match=words):
            dream_of(planted_network(), None, "conv1", **wanted)  # type: ignore[arg-type]
    with pytest.raises(convscope.ConvscopeError, match=words):
        last(dream(**{"changes": None} | wanted))


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["inception_3b/output", "inception_4c/output"])
def test_the_network_of_2015_dreams_ever_more(shared_data: Path, layer: str) -> None:
    """The objective rises with every step of a size, and ends at five times what it was or more."""
    network = convscope.open_network(shared_data / "caffe" / "bvlc_googlenet")
    changes = {"jitter": 0, "octaves": 2, "steps": 15}
    picture = shared_data / "pictures" / "sky1024px.jpg"
    found = dream_of(network, picture, layer, preset="google-2015", size=128, changes=changes)
    steps = list(found.steps())
    for octave in (1, 2):
        values = [step.value for step in steps if step.octave[0] == octave]
        assert values == sorted(values)
    assert steps[-1].value > 5 * steps[0].value
