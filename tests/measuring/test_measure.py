"""The pass over many pictures, against brute force: the same network, the same batches, everything kept."""

import errno
import json
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file
from torch import nn

from convscope import measure, open_network
from convscope.address import Address
from convscope.errors import ConvscopeWarning, InputError, PictureError, UnknownLayer
from convscope.files import written_whole
from convscope.measuring.block import BlockFile
from convscope.measuring.measurements import Measurements
from convscope.measuring.plan import plan_measurement
from convscope.network.network import Network
from killed import in_another_process
from planted import edge_picture, plain_picture, planted_network

LAYERS = ("conv1", "conv2", "prob")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 pictures in three folders; every seventh one is the same, so that answers are equal."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(3)
    same = random.integers(0, 256, (37, 45, 3), dtype=np.uint8)
    for index in range(150):
        pixels = random.integers(0, 256, (37, 45, 3), dtype=np.uint8) // (1 + index % 5)
        place = folder / ("cat", "dog", "eel")[index % 3]
        place.mkdir(exist_ok=True)
        Image.fromarray(same if index % 7 == 0 else pixels).save(place / f"{index:03}.png")
    return folder


def answers(network: Network, paths: list[str], layer: str, batch: int) -> np.ndarray:
    """Return (pictures, channels, positions), a batch at a time as the pass has them: none crosses 64 pictures."""
    found = []
    for block in range(0, len(paths), 64):
        for start in range(block, min(block + 64, len(paths)), batch):
            inputs = [network.preprocess(path) for path in paths[start : min(start + batch, block + 64)]]
            value = network.activations(torch.cat(inputs), layer)[layer]
            found.append(value.reshape(*value.shape[:2], -1).numpy())
    return np.concatenate(found)


@pytest.mark.parametrize("channels_last", [False, True])
def test_it_equals_brute_force(folder: Path, channels_last: bool) -> None:
    network = planted_network(channels_last=channels_last)
    found = measure(network, folder, LAYERS)
    paths = sorted(str(path) for path in folder.rglob("*.png"))
    assert found.complete and [one.path for one in found.manifest.pictures] == paths
    for layer in LAYERS:
        plain = planted_network()
        values = answers(plain, paths, layer, found.manifest.batch)
        highest, means = values.max(2), values.mean(2, dtype=np.float32)
        for channel in range(values.shape[1]):
            unit = f"{layer}:{channel}"
            for by, wanted in (("max", highest[:, channel]), ("mean", means[:, channel])):
                np.testing.assert_allclose(found.values(unit, by), wanted, rtol=1e-6, atol=1e-7)
                own = found.values(unit, by).tolist()
                order = sorted(range(len(paths)), key=lambda index, own=own: (-own[index], index))
                got = found.strongest(unit, by=by, top=20)
                assert [one.index for one in got] == order[:20]
                assert [one.path for one in got] == [paths[index] for index in order[:20]]
            if not channels_last:
                assert found.values(unit).tobytes() == np.ascontiguousarray(highest[:, channel]).tobytes()
                columns = found.layers[layer].columns
                for one in got:
                    first = int(values[one.index, channel].argmax())
                    assert one.position == (first // columns, first % columns)
        pictures, positions = found.firing(layer)
        np.testing.assert_allclose(pictures, (highest > 0).mean(0))
        np.testing.assert_allclose(
            positions, (values > 0).mean((0, 2)), atol=1e-4 if channels_last else 1e-12
        )
        np.testing.assert_allclose(found.lowest(layer), values.min((0, 2)), atol=1e-6)


def test_bands_histograms_and_classes(folder: Path) -> None:
    found = measure(planted_network(), folder, LAYERS)
    values = found.values("conv1:0")
    for share in (0.9, 0.5):
        wanted = sorted(
            range(150), key=lambda index: (abs(values[index] - np.float32(share) * values.max()), index)
        )
        assert [one.index for one in found.band("conv1:0", share, top=5)] == wanted[:5]
    edges = found.values("conv1:6")
    above = [index for index in np.argsort(edges, kind="stable") if edges[index] > 0]
    assert [one.index for one in found.band("conv1:6", 0, top=4)] == above[:4]
    assert found.band("conv1:7", 0.5) == []  # dead: nothing is half of nothing
    histogram = found.histogram("conv1:0", bins=9)
    assert histogram.counts.sum() == 150 and histogram.edges[[0, -1]].tolist() == [values.min(), values.max()]
    assert histogram.counts[-1] == (values >= histogram.edges[-2]).sum()
    means = found.by_class("conv1:0")
    assert means.keys() == {"cat", "dog", "eel"} and list(means.values()) == sorted(means.values())[::-1]
    dogs = [index for index, one in enumerate(found.manifest.pictures) if "/dog/" in one.path]
    assert means["dog"] == pytest.approx(values[dogs].mean())
    np.testing.assert_allclose(
        found.quantiles("conv1:0", (0.25, 1)), np.quantile(values, (0.25, 1)), rtol=1e-6
    )


def test_units_that_answer_alike(folder: Path) -> None:
    found = measure(planted_network(), folder, LAYERS)
    means = found.values("conv1", by="mean").astype(np.float64)
    wanted = [np.corrcoef(means[:, 0], means[:, other])[0, 1] for other in (1, 2, 3, 4, 5, 6)]
    alike = found.alike("conv1:0")
    assert "conv1:7" not in dict(alike)  # dead: no correlation is known
    np.testing.assert_allclose(sorted(dict(alike).values()), sorted(wanted), rtol=1e-6, atol=1e-9)
    assert alike == sorted(alike, key=lambda one: -one[1])


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("block-*"))}


def test_ctrl_c_keeps_and_the_next_call_goes_on(folder: Path, tmp_path: Path) -> None:
    network = planted_network()
    whole = files_of(measure(network, folder, LAYERS, folder=tmp_path / "whole").folder)
    assert len(whole) == 3

    def interrupt(done: int, of: int) -> None:
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(network, folder, LAYERS, folder=tmp_path / "begun", watch=interrupt)
    assert len(files_of(tmp_path / "begun")) == 1
    assert not Measurements.open(tmp_path / "begun").complete
    seen: list[int] = []
    measure(network, folder, LAYERS, folder=tmp_path / "begun", watch=lambda done, of: seen.append(done))
    assert seen[0] == 64 and seen[-1] == 150
    assert files_of(tmp_path / "begun") == whole


SCRIPT = """
import sys
from convscope import measure
from planted import planted_network
measure(planted_network(), sys.argv[1], ("conv1", "conv2", "prob"), folder=sys.argv[2],
        watch=lambda done, of: print("step", file=sys.stderr, flush=True))
"""


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    sys.path.append(str(Path(__file__).parents[1]))
    whole = files_of(measure(planted_network(), folder, LAYERS, folder=tmp_path / "whole").folder)
    for moment in (5, 2):  # some of it done by each
        in_another_process(SCRIPT, str(folder), str(tmp_path / "killed"), kill_after=moment)
    in_another_process(SCRIPT, str(folder), str(tmp_path / "killed"))
    assert files_of(tmp_path / "killed") == whole


def test_shards_together_are_the_whole(folder: Path, tmp_path: Path) -> None:
    network = planted_network()
    whole = measure(network, folder, LAYERS, folder=tmp_path / "whole")
    for index in (3, 1, 2):
        found = measure(network, folder, LAYERS, folder=tmp_path / "shards", shard=(index, 3))
        assert found.complete == (index == 2)
    assert files_of(tmp_path / "shards") == files_of(whole.folder)
    again = Measurements.open(whole.save(tmp_path / "saved"))
    assert again.strongest("conv2:1") == whole.strongest("conv2:1")
    with pytest.raises(InputError, match="a shard is I/N"):
        measure(network, folder, LAYERS, folder=tmp_path / "shards", shard=(4, 3))


def test_it_is_kept_and_other_pictures_are_measured_anew(folder: Path, tmp_path: Path) -> None:
    network, own = planted_network(), tmp_path / "own"
    own.mkdir()
    for index, path in enumerate(sorted(folder.rglob("*.png"))[:3]):
        (own / f"{index}.png").write_bytes(path.read_bytes())
    first = measure(network, own, ["conv1"])
    done: list[int] = []
    assert measure(network, own, ["conv1"], watch=lambda now, of: done.append(now)).folder == first.folder
    assert done == [3]
    pixels = np.asarray(Image.open(own / "1.png")).copy()
    Image.fromarray(pixels // 2).save(own / "1.png")
    os.utime(own / "1.png", ns=(1, 1))
    assert measure(network, own, ["conv1"]).folder != first.folder


def test_a_measurement_that_another_process_begins_is_left_alone(folder: Path) -> None:
    """Its folder was removed under it: of two commands at once, one could not write."""
    network = planted_network()
    first = measure(network, folder, ["conv1"])
    (first.folder / "measurement.json").unlink()
    with written_whole(first.folder / "measurement.json") as partial:
        partial.write_text("{")
        assert measure(network, folder, ["conv1"]).folder == first.folder
        assert partial.exists()


def test_what_is_kept_has_the_labels_and_paths_of_now(folder: Path, tmp_path: Path) -> None:
    """Neither changes a number, so what was measured under others is taken: not their names with it."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    for index, path in enumerate(sorted(folder.rglob("*.png"))[:3]):
        (old / f"{index}.png").write_bytes(path.read_bytes())
    network = planted_network(labels=["red", "green", "blue"])
    whole, part = measure(network, old), measure(network, old, ["conv1"], folder=tmp_path / "kept")
    old.rename(new)
    relabeled = replace(network, labels=("blue", "red", "green"))
    for found, earlier in (
        (measure(relabeled, new), whole),
        (measure(relabeled, new, ["prob", "conv1"]), whole),
        (measure(relabeled, new, ["conv1"], folder=tmp_path / "kept"), part),
    ):
        assert found.folder == earlier.folder
        assert Path(found.strongest("conv1:1")[0].path).parent == new
    assert measure(relabeled, new).resolve("prob:red") == Address("prob", 1)
    assert measure(network, new).resolve("prob:red") == Address("prob", 0)


def test_broken_pictures_are_counted_named_and_left_out(folder: Path, tmp_path: Path) -> None:
    paths = [str(path) for path in sorted(folder.rglob("*.png"))[:5]]
    (tmp_path / "broken.png").write_bytes(Path(paths[0]).read_bytes()[:500])
    given = [paths[0], str(tmp_path / "broken.png"), *paths[1:], str(tmp_path / "none.png")]
    network = planted_network()
    with pytest.warns(
        ConvscopeWarning, match=r"2 of 7 pictures cannot be read .*broken.png is damaged.*none.png"
    ):
        found = measure(network, given, LAYERS)
    assert sorted(found.broken) == [1, 6] and found.pictures.tolist() == [0, 2, 3, 4, 5]
    whole = measure(network, paths, LAYERS)
    np.testing.assert_allclose(found.values("conv1"), whole.values("conv1"), atol=1e-6)
    assert [one.path for one in found.strongest("conv1:1")] == [
        one.path for one in whole.strongest("conv1:1")
    ]
    with pytest.raises(PictureError, match=r"none of the 1 pictures can be read: .*broken.png"):
        measure(network, [tmp_path / "broken.png"])


def test_a_list_that_lost_pictures_is_one_line(folder: Path, tmp_path: Path) -> None:
    measure(planted_network(), sorted(folder.rglob("*.png"))[:4], ["conv1"], folder=tmp_path)
    manifest = tmp_path / "measurement.json"
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps(facts | {"pictures": facts["pictures"][:3]}), encoding="utf-8")
    with pytest.raises(PictureError, match=r"is of picture 3, and .* lists 3: measure again"):
        _ = Measurements.open(tmp_path).labels


def test_what_goes_wrong_is_one_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, place = planted_network(), tmp_path / "kept"
    pictures = [str(path) for path in sorted(folder.rglob("*.png"))[:4]]
    found = measure(network, pictures, ["conv1"], folder=place)
    with pytest.raises(InputError, match="holds a measurement of another network"):
        measure(planted_network(channels_last=True), pictures, ["conv1"], folder=place)
    with pytest.raises(InputError, match="holds a measurement of other pictures"):
        measure(network, pictures[:2], ["conv1"], folder=place)
    with pytest.raises(InputError, match="holds a measurement of other layers"):
        measure(network, pictures, ["conv2"], folder=place)
    with pytest.raises(UnknownLayer, match="'conv2' was not measured"):
        found.strongest("conv2:0")
    with pytest.raises(UnknownLayer, match="name a channel of it"):
        found.strongest("conv1")
    with pytest.raises(InputError, match="holds no measurement that can be read: No such file"):
        Measurements.open(tmp_path)
    facts = (place / "measurement.json").read_text()
    (place / "measurement.json").write_text(facts.replace('"batch"', '"stride": 1, "batch"'))
    with pytest.raises(InputError, match="holds a measurement by another version of convscope"):
        measure(network, pictures, ["conv1"], folder=place)
    changes: list[dict[str, Any]] = [
        {"batch": 0},
        {"input_size": [9]},
        {"labels": [["a"]]},
        {"pictures": []},
        {"pictures": [{"name": "a", "path": None, "label": None, "changed": 1}]},
        *(
            {"layers": [json.loads(facts)["layers"][0] | wrong]}
            for wrong in ({"rows": "7"}, {"channels": 1e999}, {"columns": 0}, {"receptive_field": []})
        ),
        *(
            {
                "layers": [
                    json.loads(facts)["layers"][0]
                    | {"receptive_field": {"stride": ["1", "1"], "start": ["0", "0"], "size": size}}
                ]
            }
            for size in (["1/0", "1"], ["3"], ["-2", "3"], ["x", "3"])
        ),
    ]
    for change in changes:
        (place / "measurement.json").write_text(json.dumps(json.loads(facts) | change))
        with pytest.raises(InputError, match="holds no measurement that can be read: "):
            Measurements.open(place)
    (place / "measurement.json").write_text(facts)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PictureError, match=r"cannot write .*kept: "):
        measure(network, pictures, ["conv1"], folder=tmp_path / "file" / "kept")
    block = found.folder / "block-000000.safetensors"
    arrays = load_file(block)
    for wrong in (
        '{"broken": "2", "contents": {}}',
        '{"broken": {"x": "y"}, "contents": {}}',
        '{"broken": {}, "contents": {"x": "y"}}',
        '{"broken": {}}',
        "[1]",
        "{",
        '{"broken": {"1": 2}, "contents": {}}',
        "[" * 99_999,
    ):
        save_file(arrays, block, {"convscope": wrong})
        with pytest.raises(PictureError, match=r"is no whole block of a measurement \(its facts"):
            str(Measurements.open(place).survey(network))
        assert not BlockFile(block).fits(found.manifest.layers)
    block.write_bytes(b"nonsense")
    with pytest.raises(PictureError, match="is no whole block of a measurement"):
        Measurements.open(place).strongest("conv1:0")

    @contextmanager
    def full(path: Path) -> Iterator[Path]:
        raise OSError(errno.ENOSPC, "No space left on device")
        yield path

    monkeypatch.setattr("convscope.files.written_whole", full)
    with pytest.raises(PictureError, match=r"No space left on device\. What was measured before is kept"):
        measure(network, pictures, ["conv1"], folder=tmp_path / "full")


def test_a_cache_that_fills_up_in_the_middle_is_a_note_and_the_pass_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, cache = planted_network(), tmp_path / "cache"
    whole = measure(network, folder, ["conv1"], folder=tmp_path / "whole")

    @contextmanager
    def full(path: Path) -> Iterator[Path]:
        if cache in path.parents and path.name.startswith("block-000001"):
            raise OSError(errno.ENOSPC, "No space left on device")
        with written_whole(path) as partial:
            yield partial

    monkeypatch.setenv("CONVSCOPE_CACHE", str(cache))
    monkeypatch.setattr("convscope.files.written_whole", full)
    with pytest.warns(ConvscopeWarning, match=r"cache is not used \(No space left on device\)"):
        passing = measure(network, folder, ["conv1"])
    assert tmp_path not in passing.folder.parents
    assert [path.name for path in cache.rglob("block-*")] == ["block-000000.safetensors"]
    for block in whole.folder.glob("block-*"):
        assert (passing.folder / block.name).read_bytes() == block.read_bytes()


def test_a_folder_that_vanishes_and_a_picture_that_changes(folder: Path, tmp_path: Path) -> None:
    network, own = planted_network(), tmp_path / "own"
    own.mkdir()
    for index, path in enumerate(sorted(folder.rglob("*.png"))[:70]):
        (own / f"{index:02}.png").write_bytes(path.read_bytes())

    def change(done: int, of: int) -> None:
        if done == 0:
            os.utime(own / "69.png", ns=(5, 5))

    before = warnings.filters[:]
    with pytest.warns(ConvscopeWarning, match="69.png has changed since the measurement began"):
        measure(network, own, ["conv1"], folder=tmp_path / "measured", watch=change)
    assert warnings.filters == before
    with pytest.warns(ConvscopeWarning, match=r"1 pictures have changed .*69.png\): they are measured again"):
        assert len(measure(network, own, ["conv1"], folder=tmp_path / "measured").pictures) == 70
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure(network, own, ["conv1"], folder=tmp_path / "measured")

    def vanish(done: int, of: int) -> None:
        if own.exists():
            own.rename(tmp_path / "elsewhere")

    with pytest.raises(PictureError, match="own is no longer there: what was measured is kept"):
        measure(network, own, ["conv2"], watch=vanish)


def test_the_plan_is_said_in_words() -> None:
    plan = plan_measurement(planted_network())
    assert plan.units == 8 + 8 + 3 + 3 + 3 + 3
    assert plan.words(1000).startswith("28 units of 6 layers on 1,000 pictures: about ")
    assert "336 kB kept on disk" in plan.words(1000)


@pytest.mark.slow
def test_a_real_network_equals_brute_force_on_real_photographs(shared_data: Path) -> None:
    network = open_network(shared_data / "caffe" / "squeezenet_v1.1")
    paths = [str(path) for path in sorted((shared_data / "photographs").glob("*.jpg"))[:70]]
    layers = ["conv1", "fire3/concat", "fire9/concat", "prob"]
    found = measure(network, paths, layers)
    batch = found.manifest.batch
    for layer in layers:
        values = np.concatenate(
            [
                network.activations(torch.cat([network.preprocess(path) for path in part]), *layers)[layer]
                .flatten(2)
                .numpy()
                for block in (paths[:64], paths[64:])
                for part in (block[start : start + batch] for start in range(0, len(block), batch))
            ]
        )
        assert found.values(layer).tobytes() == values.max(2).tobytes()
        np.testing.assert_allclose(
            found.values(layer, by="mean"), values.mean(2, dtype=np.float64), rtol=1e-5
        )


def test_a_picture_that_was_changed_is_measured_again_in_the_same_folder(tmp_path: Path) -> None:
    """Its size need not tell: those of bitmaps are all the same."""
    (tmp_path / "photos").mkdir()
    network, place = planted_network(), tmp_path / "measured"
    pictures = {"a.bmp": plain_picture(), "b.bmp": edge_picture()}
    for name, pixels in pictures.items():
        Image.fromarray((pixels * 255).astype(np.uint8)).save(tmp_path / "photos" / name)
    first = measure(network, tmp_path / "photos", folder=place).values("conv1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(
            measure(network, tmp_path / "photos", folder=place).values("conv1"), first
        )
    for name, pixels in zip(reversed(pictures), pictures.values(), strict=True):
        Image.fromarray((pixels * 255).astype(np.uint8)).save(tmp_path / "photos" / name)
        later = max(file.stat().st_mtime_ns for file in place.iterdir()) + 1_000
        os.utime(tmp_path / "photos" / name, ns=(later, later))  # some file systems count whole seconds
    with pytest.warns(
        ConvscopeWarning, match=r"2 pictures have changed since they were measured .*a\.bmp, \.\.\."
    ):
        again = measure(network, tmp_path / "photos", folder=place).values("conv1")
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(again, first[::-1])


def test_a_picture_of_another_time_is_not_a_changed_one(folder: Path, tmp_path: Path) -> None:
    """A camera's clock may be years ahead, and a copy on another machine be older or newer."""
    here, there = (
        Path(shutil.copytree(folder / "eel", tmp_path / name / "photos")) for name in ("here", "there")
    )
    for copy, moment in ((here, time.time_ns() + 10**18), (there, 1)):
        for file in copy.glob("*.png"):
            os.utime(file, ns=(moment, moment))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for copy in (here, here, there):
            measure(planted_network(), copy, folder=tmp_path / "measured")


@pytest.mark.skipif(sys.platform == "win32", reason="there a file does not say when it came to its place")
def test_a_picture_replaced_by_an_older_one_is_measured_again(tmp_path: Path) -> None:
    """One of the same size too: its date may be years before the measurement."""
    (tmp_path / "photos").mkdir()
    file, spare = tmp_path / "photos" / "a.bmp", tmp_path / "spare.bmp"
    for path, pixels in ((file, plain_picture()), (spare, edge_picture())):
        Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    network, place = planted_network(), tmp_path / "measured"
    first = measure(network, file.parent, folder=place).values("conv1")
    made = max(block.stat().st_mtime_ns for block in place.iterdir())
    while spare.stat().st_ctime_ns <= made:  # some file systems count whole seconds
        os.utime(spare, ns=(10**18, 10**18))
    spare.replace(file)
    with pytest.warns(ConvscopeWarning, match="1 pictures have changed since they were measured"):
        again = measure(network, file.parent, folder=place).values("conv1")
    assert not np.array_equal(first, again)


@pytest.mark.skipif(sys.platform == "win32", reason="there a file does not say when it was touched")
@pytest.mark.parametrize("kept", [True, False])
def test_a_picture_overwritten_that_keeps_its_size_and_date_is_measured_again(
    kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder and in the cache; one whose file was touched, and has the bytes it had, is not."""
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photos").mkdir()
    file, network = tmp_path / "photos" / "a.bmp", planted_network()
    before, other = ((pixels * 255).astype(np.uint8) for pixels in (plain_picture(), edge_picture()))
    Image.fromarray(before).save(file)
    date = file.stat().st_mtime_ns

    def measured() -> Any:
        found = measure(network, file.parent, ["conv1"], folder=tmp_path / "measured" if kept else None)
        return found.values("conv1"), max(one.stat().st_mtime_ns for one in found.folder.glob("block-*"))

    def touch_later_than(made: int) -> None:
        os.utime(file, ns=(date, date))
        while file.stat().st_ctime_ns <= made:  # some file systems count whole seconds
            os.utime(file, ns=(date, date))

    if not kept:
        measure(network, file.parent)  # of all layers: what is asked of it later is read out of that
    first, made = measured()
    touch_later_than(made)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measured()[1] == made
    Image.fromarray(other).save(file)
    touch_later_than(made)
    with pytest.warns(
        ConvscopeWarning, match=r"1 pictures have changed since they were measured \(.*a\.bmp\)"
    ):
        again, _ = measured()
    assert not np.array_equal(first, again)
    Image.fromarray(other).save(tmp_path / "b.bmp")
    np.testing.assert_array_equal(again, measure(network, [tmp_path / "b.bmp"], ["conv1"]).values("conv1"))


def test_a_module_that_holds_layers_is_asked_for_by_the_name_it_was_measured_under() -> None:
    """`layers=["stage"]` was measured, and `strongest("stage:1")` said that it was not."""
    torch.manual_seed(0)
    module = nn.Sequential()
    module.add_module("stage", nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    module.add_module("head", nn.Conv2d(4, 2, 1))
    network = open_network(module, input_shape=(1, 3, 8, 8), mean=0)
    pictures = np.random.default_rng(0).random((3, 8, 8, 3))
    found = measure(network, list(pictures), layers=["stage"])
    with torch.no_grad():
        answers = torch.stack([module.stage(network.preprocess(one))[0, 1].amax() for one in pictures])
    assert np.allclose(found.values("stage:1"), answers, atol=1e-6)
    assert found.strongest("stage:1", top=1)[0].value == found.strongest("stage.1:1", top=1)[0].value
    with pytest.raises(UnknownLayer, match="'head' was not measured"):
        found.values("head:0")
