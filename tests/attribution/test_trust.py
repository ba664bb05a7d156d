"""What maps are worth: the measures on cases whose answer is known, and the table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import convscope
from convscope.attribution.measures import (
    CELLS,
    MEASURES,
    MeasuredMap,
    MeasuredTarget,
    _filled,
    cell_losses,
    discrete_entropy,
    entropy_rise,
    single_deletion,
)
from convscope.attribution.target import target_of
from convscope.attribution.trust import blob, signed_map, trust
from convscope.cli import main
from convscope.errors import InputError
from convscope.formats.pytorch.libraries import ready_torchvision
from planted import plain_picture, planted_files, planted_network


def test_single_deletion_is_1_of_the_truth_and_0_of_nothing() -> None:
    random = np.random.default_rng(0)
    lost = random.normal(size=(CELLS, CELLS))
    map = np.kron(lost, np.ones((5, 3)))
    assert single_deletion(map, lost) == pytest.approx(1)
    assert single_deletion(-map, lost) == pytest.approx(-1)
    assert single_deletion(np.ones((20, 12)), lost) == 0
    assert abs(single_deletion(random.normal(size=(20, 12)), lost)) < 0.6


def test_losses_are_those_of_a_picture_grayed_by_hand() -> None:
    network = planted_network()
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    target = target_of(network, picture, "red")
    found = cell_losses(target)
    edges = np.linspace(0, 32, CELLS + 1).round().astype(int)
    for row, column in ((0, 0), (3, 1), (2, 3)):
        changed = network.preprocess(picture).clone()
        changed[:, :, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = 0.5
        score = float(network.activations(changed, "scores:0")["scores:0"])
        assert found[row, column] == pytest.approx(target.score - score, abs=1e-5)
    assert np.ptp(found) > 0


def test_what_speaks_against_counts_too() -> None:
    """Grad-CAM shows nothing of a map that is all negative; its worth is that of the numbers, which tell the truth."""
    network, picture = planted_network(), boxes(1)[0]
    target = target_of(network, picture, {"red": -1})
    assert not convscope.grad_cam(network, picture, target).map.any()
    assert (
        single_deletion(signed_map(convscope.grad_cam(network, picture, target)), cell_losses(target)) > 0.4
    )


def boxes(count: int) -> list[np.ndarray]:
    """Return pictures that are black but for a colored box somewhere off the middle."""
    random, found = np.random.default_rng(2), []
    for index in range(count):
        picture = plain_picture((0, 0, 0)).copy()
        top, left = random.integers(0, 6), random.integers(18, 22)
        picture[top : top + 10, left : left + 10, index % 3] = 255
        found.append(picture)
    return found


def test_methods_that_look_at_the_network_beat_the_blob() -> None:
    table = trust(planted_network(), boxes(6), methods=["grad-cam", "occlusion", "saliency"])
    assert table.pictures == 6 and table.grids == 0 and "no grids" in table.words
    worth = {row.method: row.means["single_deletion"].mean for row in (*table.rows, *table.controls)}  # type: ignore[union-attr]
    assert worth["occlusion"] > 0.5 and worth["grad_cam"] > 0.4 > worth["centered blob"]
    order = [worth[row.method] for row in table.rows]
    assert order == sorted(order, reverse=True) and "pointing" not in table.rows[0].means
    assert blob(target_of(planted_network(), boxes(1)[0])).argmax() // 32 in (15, 16)


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, picture in enumerate(boxes(3)):
        Image.fromarray(picture).save(folder / f"{index}.png")
    network = str(planted_files(tmp_path / "planted"))
    arguments = ["trust", network, str(folder), "--methods", "grad-cam,saliency"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "grad_cam" in result.stdout and "centered blob" in result.stdout and "3 pictures" in result.stdout
    data = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert [row["method"] for row in data["controls"]] == ["centered blob", "grad_cam, weights shuffled"]


def test_a_method_that_is_not_meant_for_a_network_leaves_the_others_their_rows() -> None:
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 12 * 12, 4))
    opened = convscope.open_network(module.eval(), input_shape=(1, 3, 12, 12))
    table = trust(opened, [torch.rand(1, 3, 12, 12)], methods=["grad-cam", "saliency"])
    saliency, without = table.rows
    assert saliency.means["single_deletion"] and not saliency.reason
    assert without.method == "grad_cam" and "no layer with rows and columns" in without.reason
    assert f"grad_cam: {without.reason}" in str(table)


def test_a_network_without_classes_is_refused_not_given_an_empty_table() -> None:
    maps = convscope.open_network(torch.nn.Conv2d(3, 5, 3, padding=1).eval(), input_shape=(1, 3, 24, 24))
    with pytest.raises(
        InputError, match=r"is no classifier; its outputs are .*a map of 5 classes, 5 × 24 × 24"
    ):
        trust(maps, [plain_picture()], progress=False)


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(InputError, match="no picture to measure on"):
        trust(planted_network(), [])
    with pytest.raises(InputError, match="Did you mean 'grad_cam'"):
        trust(planted_network(), boxes(1), methods=["grad_kam"])
    several = planted_network().preprocess(plain_picture()).expand(2, -1, -1, -1)
    with pytest.raises(InputError, match="holds 2 pictures"):
        trust(planted_network(), several)
    assert convscope.trust is trust


def test_pictures_may_be_a_folder_or_a_single_one(tmp_path: Path) -> None:
    network, array = planted_network(), noisy_picture()
    Image.fromarray(array).save(tmp_path / "one.png")
    options: dict[str, Any] = {"methods": ["saliency"], "measures": ["single_deletion"], "grids": 0}
    tables = [
        trust(network, given, progress=False, **options).to_json()
        for given in ([array], array, tmp_path, str(tmp_path / "one.png"), network.preprocess(array)[0])
    ]
    assert tables == tables[:1] * 5


def noisy_picture(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)


def test_measures_of_one_map_are_what_plain_loops_find() -> None:
    network, picture = planted_network(), noisy_picture()
    target = target_of(network, picture, "red")
    found = convscope.occlusion(network, picture, target)
    explained, made = MeasuredTarget(target), MeasuredMap(found.map, found)
    input, order = network.preprocess(picture), (-found.map).ravel().argsort(kind="stable")

    def probability(changed: torch.Tensor) -> float:
        return float(network.activations(changed, "prob:0")["prob:0"])

    grayed = []
    for step in range(15):
        changed = input.clone().reshape(1, 3, -1)
        changed[:, :, order[: len([i for i in range(1024) if i / 1024 < step / 14])]] = 0.5
        grayed.append(probability(changed.reshape(1, 3, 32, 32)))
    assert MEASURES["deletion"].of(explained, made) == pytest.approx(np.mean(grayed), abs=1e-5)
    assert np.ptp(grayed) > 0.01
    light = torch.from_numpy(found.map.clip(min=0) / found.map.max()).float()
    lit = probability(0.5 + light * (input - 0.5))
    whole = probability(input)
    assert MEASURES["average_drop"].of(explained, made) == pytest.approx(
        max(0, whole - lit) / whole, abs=1e-5
    )
    assert MEASURES["increase"].of(explained, made) == float(lit > whole)
    assert MEASURES["completeness"].of(explained, made) is None  # occlusion promises nothing


def test_more_of_what_counts_first_is_better_by_every_curve() -> None:
    network, picture = planted_network(), boxes(1)[0]
    target = target_of(network, picture, "red")
    explained, map = MeasuredTarget(target), convscope.occlusion(network, picture, target, window=6).map
    for name, sign in (("deletion", -1), ("insertion", 1), ("road", 1)):
        right, wrong = (MEASURES[name].of(explained, MeasuredMap(one)) for one in (map, -map))
        assert right is not None and wrong is not None and sign * (right - wrong) > 0.01, name


def test_what_is_missing_is_the_weighted_mean_of_its_neighbors() -> None:
    target = target_of(planted_network(), noisy_picture(), "red")
    missing = np.zeros((32, 32), bool)
    missing[5, 7] = missing[0, 0] = missing[5, 8] = True
    filled = _filled(target, missing)[0]
    weights = {(d, a): 1 / 12 if d and a else 1 / 6 for d in (-1, 0, 1) for a in (-1, 0, 1) if d or a}
    for row, column in ((5, 7), (0, 0), (5, 8)):
        near = [
            (weight, filled[:, row + d, column + a])
            for (d, a), weight in weights.items()
            if row + d >= 0 and column + a >= 0
        ]
        mean = sum(weight * value for weight, value in near) / sum(weight for weight, _ in near)
        np.testing.assert_allclose(filled[:, row, column], mean, atol=1e-6)
    kept = ~torch.from_numpy(missing)
    assert torch.equal(filled[:, kept], target.input[0][:, kept])


def test_the_entropy_is_quantus() -> None:
    ready_torchvision()  # which the peer imports
    complexity = pytest.importorskip(
        "quantus.functions.complexity_func", reason="compares with Quantus, which is not installed"
    )
    map = np.random.default_rng(0).normal(size=(20, 30))
    assert discrete_entropy(map) == pytest.approx(complexity.discrete_entropy(map, map), abs=1e-12)


def test_the_whole_rise_is_quantus() -> None:
    """Its test runs as it is, on maps of ours: of the module, and of it with one layer more after another shuffled."""
    ready_torchvision()  # which the peer imports
    module = pytest.importorskip(
        "quantus.metrics.randomisation.efficient_mprt", reason="compares with Quantus, which is not installed"
    )
    complexity = pytest.importorskip("quantus.functions.complexity_func")
    torch.manual_seed(0)
    layers = (torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    network = torch.nn.Sequential(*layers, torch.nn.Linear(8, 4)).eval()
    inputs = np.random.default_rng(1).normal(size=(3, 3, 24, 20)).astype(np.float32)
    rounds: list[list[NDArray[np.float64]]] = []

    def maps(model: torch.nn.Module, inputs: Any, targets: Any, **_: Any) -> Any:
        opened = convscope.open_network(model.eval(), input_shape=(1, 3, 24, 20))
        pairs = zip(torch.as_tensor(inputs), targets, strict=True)
        rounds.append(
            [signed_map(convscope.gradient_times_input(opened, one[None], int(to))) for one, to in pairs]
        )
        return np.stack(rounds[-1])[:, None]

    measure = module.EfficientMPRT(complexity_func=complexity.discrete_entropy, disable_warnings=True)
    targets = np.array([1, 0, 3])
    expected = measure(model=network, x_batch=inputs, y_batch=targets, a_batch=None, explain_func=maps)
    assert len(rounds) > 1
    for first, last, score in zip(rounds[0], rounds[-1], expected, strict=True):
        target = target_of(planted_network(), plain_picture(), "red")
        found = entropy_rise(MeasuredTarget(target), MeasuredMap(first, None, last))
        assert found == pytest.approx(float(score), abs=1e-12)


def test_what_promises_to_add_up_is_held_to_it() -> None:
    table = trust(planted_network(), boxes(2), methods=["integrated-gradients", "grad-cam", "saliency"])
    errors = {row.method: row.means["completeness"] for row in table.rows}
    assert errors["saliency"] is None
    assert errors["integrated_gradients"] is not None and errors["integrated_gradients"].mean < 0.011
    rises = {row.method: row.means["entropy_rise"] for row in table.rows}
    assert all(rises.values())


def test_what_was_measured_is_kept_when_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path))

    def stop(done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    network, pictures = planted_network(), boxes(4)
    table = trust(network, pictures, methods=["saliency"], watch=stop)
    assert not table.complete and table.pictures == 2 and "run it again to go on" in str(table)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "trust").iterdir()}
    assert len(kept) == 2 * 3  # the method and two controls
    whole = trust(network, pictures, methods=["saliency"])
    assert whole.complete and whole.pictures == 4
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    for path in kept:
        path.write_text("{")
    assert trust(network, pictures, methods=["saliency"]) == whole


def test_each_class_of_a_grid_lies_on_its_own_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four pictures of four classes that the network is sure of: its occlusion points at each, the blob at none."""
    network = four_colors()
    colors = [(1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0), (0.9, 0.9, 0.9)]
    found = trust(
        network, [plain_picture(color) for color in colors], methods=["gradient-times-input"], grids=3
    )
    assert found.grids == 3
    (row,), (blob_row, _) = found.rows, found.controls
    assert row.means["pointing"].mean > 0.8  # type: ignore[union-attr]
    assert blob_row.means["pointing"].mean == pytest.approx(0.25, abs=0.01)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="Did you mean 'single_deletion'"):
        trust(network, [plain_picture()], measures=["singel_deletion"])


def four_colors() -> convscope.Network:
    """Return a network of four classes: a color of the three more than the others, or all of them; sure of each."""
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    weight = torch.tensor([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [0.5, 0.5, 0.5]]).reshape(4, 3, 1, 1)
    with torch.no_grad():
        module[0].weight.copy_(40.0 * weight)
        module[0].bias.zero_()
    spec = convscope.InputSpec((32, 32), provenance={"size": "input shape"})
    opened = convscope.open_network(module.eval(), input_shape=(1, 3, 32, 32))
    return convscope.Network(opened.graph, input_spec=spec, labels=("red", "green", "blue", "white"))
