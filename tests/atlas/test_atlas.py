"""The atlas: the same folder whoever makes it, nothing made twice, and a page that opens without a server."""

import json
import shutil
import sys
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import load_file, save_file

from chromium import launched
from convscope import feature_visualization, open_network
from convscope.atlas.dask_executor import dask_executor
from convscope.atlas.making import begin_atlas, make_shards, missing_shards
from convscope.atlas.manifest import AtlasManifest
from convscope.atlas.merging import check_atlas, merge_atlas
from convscope.atlas.shard import ShardPictures, make_shard
from convscope.atlas.tuning_plate import early_layers
from convscope.cli import main
from convscope.errors import ConvscopeWarning, InputError, PictureError
from convscope.looking.stimuli import ORIENTATIONS
from convscope.looking.tuning import measure_tuning
from convscope.measuring.measure import measure
from convscope.measuring.picture_list import list_pictures, pictures_hash
from planted import FEATURES, planted_files, planted_network


@pytest.fixture(autouse=True)
def own_cache_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))


def begun(folder: Path, **changes: int) -> AtlasManifest:
    network = planted_network()
    how = {"size": 32, "steps": 3, "seed": 0} | changes
    manifest = AtlasManifest(
        "planted", network.identity, {"conv1": 8, "conv2": 3}, preset="default", shard_units=3, **how
    )
    begin_atlas(network, manifest, folder)
    return manifest


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "work" / "shards").iterdir())}


def test_shards_are_the_same_whoever_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    manifest = begun(one)
    assert [(shard.layer, shard.first, shard.end) for shard in manifest.shards] == [
        ("conv1", 0, 3),
        ("conv1", 3, 6),
        ("conv1", 6, 8),
        ("conv2", 0, 3),
    ]
    with ThreadPoolExecutor(1) as pool:
        made = list(make_shards(one, missing_shards(manifest, one), pool))
    assert len(made) == 4 and missing_shards(manifest, one) == []
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "another"))
    begun(many)
    costs: list[str] = []
    for index in (2, 1):
        with ThreadPoolExecutor(1) as pool:
            share = missing_shards(manifest, many, (index, 2))
            assert len(share) == 2
            list(make_shards(many, share, pool, told=lambda cost: costs.append(str(cost))))
    assert files_of(one) == files_of(many)
    assert costs[0].endswith("MB") and costs[0].startswith("3 units to make: about ")


@pytest.mark.parametrize("fast", [False, True])
def test_its_pictures_are_those_that_see_makes(fast: bool, tmp_path: Path) -> None:
    manifest = begun(tmp_path / "atlas", fast=fast)
    with ThreadPoolExecutor(1) as pool:
        list(make_shards(tmp_path / "atlas", missing_shards(manifest, tmp_path / "atlas"), pool))
    found = pictures_of(manifest, 0, tmp_path / "atlas")
    (picture,) = feature_visualization(planted_network(), "conv1:1", size=32, steps=3, fast=fast)
    np.testing.assert_array_equal(found.pictures[1, 0], picture.array)
    dead = pictures_of(manifest, 2, tmp_path / "atlas")
    assert dead.reached[1, 0] <= dead.plain[1, 0]


def test_several_pictures_per_unit_are_those_of_several_seeds_the_strongest_first(tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    manifest = begun(folder, pictures_per_unit=3, seed=4)
    make_shard(str(folder), 0)
    shard = pictures_of(manifest, 0, folder)
    assert shard.pictures.shape == (3, 3, 32, 32, 3)
    for seed in (0, 1, 2):
        (picture,) = feature_visualization(planted_network(), "conv1:1", size=32, steps=3, seed=4 + seed)
        np.testing.assert_array_equal(shard.pictures[1, seed], picture.array)
    merge_atlas(folder, planted_network())
    unit = atlas_data(folder)["layers"][0]["units"][1]
    reached = [unit["reached"], *(other["reached"] for other in unit["others"])]
    assert reached == sorted(shard.reached[1].tolist(), reverse=True)
    best = int(shard.reached[1].argmax())
    with Image.open(folder / "sheets" / "000-features-0.jpg") as sheet:
        shown = np.asarray(sheet.crop((32, 0, 64, 32))).astype(float)
    distances = [np.abs(shown - shard.pictures[1, seed]).mean() for seed in range(3)]
    assert int(np.argmin(distances)) == best
    with pytest.raises(InputError, match="holds an atlas with another number of pictures per unit"):
        begun(folder, pictures_per_unit=2, seed=4)


def pictures_of(manifest: AtlasManifest, number: int, folder: Path) -> ShardPictures:
    shard = manifest.shards[number]
    return ShardPictures.open(folder, manifest, shard)


def atlas_data(folder: Path) -> Any:
    return json.loads(
        (folder / "data.js").read_text().removeprefix("const ATLAS = ").rstrip().removesuffix(";")
    )


def test_check_names_what_is_missing_or_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    manifest = begun(folder)
    with ThreadPoolExecutor(1) as pool:
        list(make_shards(folder, missing_shards(manifest, folder)[:2], pool))
    merge_atlas(folder, planted_network())
    data = atlas_data(folder)
    assert np.shape(data["layers"][0]["units"][0]["filter"]) == (5, 5, 3)
    assert "filter" not in data["layers"][1]["units"][0]
    assert [unit["made"] for unit in data["layers"][0]["units"]] == [True] * 6 + [False] * 2
    strength = {row[0]: row[1] for row in data["layers"][1]["units"][0]["fedBy"]}
    # What conv2 reads is pool1; the atlas links to the convolution that was pooled.
    assert strength["conv1:0"] == 1.0 and strength["conv1:1"] == strength["conv1:2"] == -0.5
    assert data["layers"][0]["units"][0]["feeds"][0] == ["conv2:0", 1.0, ""]
    wrong = check_atlas(folder)
    assert wrong[0].startswith("conv1:6 to 7 are not made") and len(wrong) == 2
    manifest.shards[0].path(folder).write_bytes(b"nonsense")
    (folder / "sheets" / "000-features-0.jpg").write_bytes(b"nonsense")
    wrong = check_atlas(folder)
    assert any("is no whole shard of an atlas" in line for line in wrong)
    assert any("000-features-0.jpg is missing or damaged" in line for line in wrong)
    told = CliRunner().invoke(main, ["atlas-check", str(folder), "--json"])
    assert told.exit_code == 1
    assert json.loads(told.stdout) == {
        "folder": str(folder),
        "units": manifest.units,
        "whole": False,
        "wrong": wrong,
        "notes": [],
    }
    for text in ('const ATLAS = {"layers": [{"nam', 'const ATLAS = {"layers": [{"name": "conv1"}]};'):
        (folder / "data.js").write_text(text)
        assert "data.js is damaged, or by another version of convscope" in check_atlas(folder)[-1]


def test_examples_are_cut_out_of_the_photographs_that_were_measured(tmp_path: Path) -> None:
    """Others' crops would be shown under the names and values of these."""
    network, folder = planted_network(), tmp_path / "atlas"
    for name, count in (("own", 2), ("other", 3)):
        (tmp_path / name).mkdir()
        for index in range(count):
            Image.new("RGB", (32, 32), (index, 0, 0)).save(tmp_path / name / f"{index}.png")
    begun(folder)
    words = ["atlas-merge", str(folder), "--photographs"]
    result = CliRunner().invoke(main, [*words, str(tmp_path / "own")])
    assert "Error: " in result.output and "was made without photographs" in result.output
    facts = json.loads((folder / "atlas.json").read_text())
    own = list_pictures(tmp_path / "own")
    (folder / "atlas.json").write_text(json.dumps(facts | {"pictures_sha256": pictures_hash(own)}))
    measure(network, own, ["conv1"], folder=folder / "work" / "measurement")
    result = CliRunner().invoke(main, [*words, str(tmp_path / "other")])
    assert "was made with other photographs" in result.output and not (folder / "index.html").exists()
    assert CliRunner().invoke(main, [*words, str(tmp_path / "own")]).exit_code == 0
    assert atlas_data(folder)["photographs"] == 2
    result = CliRunner().invoke(main, words[:2])
    assert "note: it was made with photographs" in result.output and atlas_data(folder)["photographs"] == 0


def test_early_units_have_their_tuning_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, vertical = tmp_path / "atlas", FEATURES.index("vertical edge")
    begun(folder)
    merge_atlas(folder, planted_network())
    first = atlas_data(folder)["layers"][0]
    tuning = measure_tuning(planted_network(), "conv1")
    unit = first["units"][vertical]["tuning"]
    assert unit["words"].startswith("most to stripes of") and unit["grating"][0] == ORIENTATIONS.index(90)
    for key, answers in (("hue", "hue"), ("curvature", "arc")):
        np.testing.assert_allclose(unit[key][0], tuning.answers[answers][vertical], rtol=1e-3)
    np.testing.assert_allclose(unit["radius"], tuning.answers["disk"][vertical], rtol=1e-3)
    np.testing.assert_allclose(
        unit["orientation"][0], tuning.answers["grating"][vertical][:, unit["grating"][1]], rtol=1e-3
    )
    with Image.open(folder / first["stimuli"][0]) as sheet:
        left = 96 * unit["tiles"]["hue"]
        shown = np.asarray(sheet.crop((left, 0, left + 96, 96)))[5, 5] / 255
    np.testing.assert_allclose(shown, tuning.stimulus("hue", vertical)[0, 0], atol=0.02)
    assert early_layers(planted_network(), list(planted_network().layers)) == [
        "data",
        "conv1",
        "pool1",
        "conv2",
    ]
    monkeypatch.setattr("convscope.atlas.tuning_plate.measure_tunings", None)
    merge_atlas(folder, planted_network())
    assert atlas_data(folder)["layers"][0] == first


def test_what_a_unit_adds_is_told_of_the_photographs_that_were_measured_last(tmp_path: Path) -> None:
    """Others may have come under the same names and sizes; what was worked out for those before was kept by layer."""
    folder, photos, network = tmp_path / "atlas", tmp_path / "photos", planted_network()
    begun(folder)
    photos.mkdir()
    random = np.random.default_rng(5)
    for time in ("before", "after"):
        for index in range(3):
            pixels = random.integers(0, 255, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(photos / f"{index}.bmp")
        found = measure(network, photos, layers=["conv1", "conv2"], folder=tmp_path / time)
        merge_atlas(folder, network, found, list_pictures(photos))
    told = atlas_data(folder)
    shutil.rmtree(folder / "work" / "effects")
    merge_atlas(folder, network, found, list_pictures(photos))
    assert atlas_data(folder) == told


def test_each_unit_tells_what_it_adds_to_the_classes_on_its_strongest_photograph(tmp_path: Path) -> None:
    folder, photos, network = tmp_path / "atlas", tmp_path / "photos", planted_network()
    begun(folder)
    photos.mkdir()
    random = np.random.default_rng(5)
    for index in range(19):
        pixels = random.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{index:02}.png")
    listed = list_pictures(photos)
    found = measure(network, photos, layers=["conv1", "conv2"], folder=tmp_path / "measured")
    merge_atlas(folder, network, found, listed)
    for layer in atlas_data(folder)["layers"]:
        for channel, unit in enumerate(layer["units"]):
            address = f"{layer['name']}:{channel}"
            input = network.preprocess(found.strongest(address, top=1)[0].path)
            before, after = (
                one.activations(input, "scores")["scores"].flatten()
                for one in (network, network.with_units({address: 0.0}))
            )
            added = dict(zip(network.labels or map(str, range(99)), (before - after).tolist(), strict=False))
            told = dict(unit["effects"])
            assert told == pytest.approx({label: added[label] for label in told}, rel=0.01, abs=1e-5)
            assert sum(abs(change) > 1e-6 for change in added.values()) == len(told)
    assert any(len(unit["effects"]) > 1 for unit in atlas_data(folder)["layers"][0]["units"])
    whole = atlas_data(folder)
    shutil.rmtree(folder / "work" / "effects")
    strongest = Path(found.strongest("conv1:0", top=1)[0].path)
    strongest.rename(tmp_path / "away.png")
    with pytest.warns(
        ConvscopeWarning, match=rf"1 photographs .*{strongest.name}.*: their examples stay white"
    ):
        merge_atlas(folder, network, found, listed)
    assert atlas_data(folder)["layers"][0]["units"][0]["effects"] == []
    (tmp_path / "away.png").rename(strongest)
    merge_atlas(folder, network, found, listed)
    assert atlas_data(folder) == whole


@pytest.mark.parametrize(
    "wrong",
    [
        {"layers": {"conv1": "3"}},
        {"layers": {"conv1": 0}},
        {"layers": {"conv1": 2**40}},
        {"layers": {"conv1": 5}},
        {"layers": {"nowhere": 3}},
        {"layers": []},
        {"size": "32"},
        {"size": 0},
        {"shard_units": 0},
        {"pictures_per_unit": None},
        {"steps": -1},
        {"fast": 1},
    ],
)
def test_a_manifest_with_other_facts_is_refused_by_name(wrong: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    begun(folder)
    facts = json.loads((folder / "atlas.json").read_text())
    (folder / "atlas.json").write_text(json.dumps(facts | wrong))
    with pytest.raises(InputError, match=r"atlas\.json"):
        merge_atlas(folder, planted_network())


def test_a_shard_of_other_pictures_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    manifest = begun(folder)
    make_shard(str(folder), 0)
    path, metadata = manifest.shards[0].path(folder), {"atlas_sha256": manifest.sha256_of(manifest.shards[0])}
    arrays = load_file(path)
    for wrong in (
        {"pictures": arrays["pictures"][:1]},
        {"pictures": arrays["pictures"].astype(np.float32)},
        {"reached": arrays["reached"][:, :0]},
    ):
        save_file(arrays | wrong, path, metadata)
        with pytest.raises(PictureError, match=r"is no whole shard of an atlas \((its pictures|what they)"):
            merge_atlas(folder, planted_network())


def test_a_shard_of_another_atlas_is_refused(tmp_path: Path) -> None:
    """As a cluster's folders may be mixed: what a file is called says of no network, and of no seed."""
    folder, other = tmp_path / "atlas", tmp_path / "other"
    manifest = begun(folder)
    begun(other, seed=1)
    make_shard(str(other), 0)
    shutil.copy(manifest.shards[0].path(other), manifest.shards[0].path(folder))
    with pytest.raises(PictureError, match=r"it is another atlas's\): remove it, and make it again"):
        merge_atlas(folder, planted_network())
    assert "it is another atlas's" in check_atlas(folder)[0]


def test_other_code_makes_no_shard_of_an_atlas(tmp_path: Path) -> None:
    begun(tmp_path)
    facts = json.loads((tmp_path / "atlas.json").read_text())
    (tmp_path / "atlas.json").write_text(json.dumps(facts | {"version": "0.2.0 of yesterday"}))
    with pytest.raises(InputError, match="holds an atlas by another version of convscope"):
        begun(tmp_path)
    with pytest.raises(InputError, match=r"version of convscope \(0.2.0 of yesterday, this is "):
        make_shard(str(tmp_path), 0)


def test_steps_without_end_are_refused_before_there_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"steps is 1e\+30, not a whole number of at most 1,000,000"):
        begun(tmp_path / "atlas", steps=10**30)
    assert not (tmp_path / "atlas").exists()


def test_a_folder_is_of_one_atlas(tmp_path: Path) -> None:
    begun(tmp_path / "atlas")
    begun(tmp_path / "atlas")
    with pytest.raises(InputError, match="holds an atlas with other steps: give another folder"):
        begun(tmp_path / "atlas", steps=5)
    with pytest.raises(InputError, match="holds an atlas in another precision"):
        begun(tmp_path / "atlas", fast=True)
    facts = json.loads((tmp_path / "atlas" / "atlas.json").read_text())
    (tmp_path / "atlas" / "atlas.json").write_text(json.dumps(facts | {"version": "0.0.1"}))
    with pytest.raises(InputError, match="holds an atlas by another version of convscope"):
        begun(tmp_path / "atlas")
    (tmp_path / "atlas" / "atlas.json").write_text(json.dumps(facts | {"version": "9.0", "palette": "gray"}))
    with pytest.raises(InputError, match=r"atlas by another version of convscope \(9.0, this is "):
        AtlasManifest.open(tmp_path / "atlas")
    with pytest.raises(InputError, match="holds no atlas"):
        AtlasManifest.open(tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("my home page")
    with pytest.raises(InputError, match=r"site holds index\.html, and no atlas: it would be replaced"):
        begun(tmp_path / "site")
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["index.html"]


def test_shares_and_the_page_say_in_json_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = str(planted_files(tmp_path / "planted"))
    words = [
        "atlas",
        network,
        "-o",
        "atlas",
        "--layers",
        "conv1,conv2",
        "--size=16",
        "--steps=1",
        "--workers=1",
    ]
    share = CliRunner().invoke(main, [*words, "--shard=1/2", "--json", "-q"])
    assert share.exit_code == 0, share.output
    assert json.loads(share.stdout) == {"folder": "atlas", "shards": 1, "of": 2, "notes": []}
    assert share.stderr == ""
    page = CliRunner().invoke(main, ["atlas-merge", "atlas", "--json"])
    facts = {"path": str(Path("atlas/index.html")), "layers": 2, "units": 11, "missing": 3, "notes": []}
    assert json.loads(page.stdout) == facts
    spoken = CliRunner().invoke(main, ["atlas-merge", "atlas", "-v"])
    assert "What 11 units of planted want to see, layer by layer; 3 of them are not made yet" in spoken.stderr


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An atlas of two layers with photographs, made by the command on two processes."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    for index in range(12):
        place = tmp_path / "photos" / ("red", "blue")[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 80, (40, 40, 3), dtype=np.uint8)
        pixels[5 + index : 15 + index, 8:20, index % 2 * 2] = 255
        Image.fromarray(pixels).save(place / f"{index:02}.png")
    network = str(planted_files(tmp_path / "planted"))
    words = ["atlas", network, "-o", "atlas", "--photographs", "photos", "--layers", "conv1,conv2"]
    result = CliRunner().invoke(main, [*words, "--size=32", "--steps=3", "--workers=2"])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(Path("atlas/index.html"))
    return tmp_path / "atlas"


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_opens_from_a_file_and_shows_a_unit(made: Path) -> None:
    checked = CliRunner().invoke(main, ["atlas-check", str(made)])
    assert checked.stdout == "11 units, all there and whole\n"
    assert all(max(Image.open(path).size) <= 4096 for path in (made / "sheets").iterdir())
    problems: list[str] = []
    with launched() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(made.joinpath("index.html").as_uri())
        page.get_by_role("button", name="conv1:0, activation").click()
        page.get_by_role("heading", level=2, name="conv1:0").wait_for()
        page.locator(".examples li >> nth=4").wait_for()
        assert "of 12 photographs" in page.locator("#unit").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        dead = page.get_by_role("button", name="conv1:7, ")
        assert "could not be activated" in dead.get_attribute("title")
        assert "not activated" in dead.inner_text()
        page.goto(made.joinpath("index.html").as_uri() + "#conv2%3A1")
        page.get_by_role("heading", level=2, name="conv2:1").wait_for()
        page.get_by_role("link", name="conv1:1", exact=True).first.wait_for()
        assert page.locator("#unit h3", has_text="Its name").count() == 1  # red and blue name the folders
        page.get_by_role("link", name="conv1:1", exact=True).first.click()
        page.get_by_role("heading", level=2, name="conv1:1").wait_for()
        page.get_by_role("img", name="Its filter, in color").wait_for()
    assert problems == []


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_lays_a_layer_out_by_likeness(made: Path) -> None:
    pytest.importorskip("sklearn", reason="lays units out by scikit-learn, which is not installed")
    merged = CliRunner().invoke(main, ["atlas-merge", str(made), "--photographs", "photos", "--maps"])
    assert merged.exit_code == 0 and "note: map of conv1: trustworthiness 0." in merged.output
    cells = atlas_data(made)["layers"][0]["map"]["cells"]
    assert cells[7] == -1
    with launched() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.goto(made.joinpath("index.html").as_uri())
        page.get_by_role("button", name="Lay out by likeness").click()
        page.get_by_text("Below: 1 that answer the same to every photograph.").wait_for()
        boxes = [tile.bounding_box() for tile in page.locator("#grid button").all()]
        assert max(box["y"] for box in boxes[:7]) < boxes[7]["y"]
        order = sorted(range(7), key=lambda channel: (round(boxes[channel]["y"]), boxes[channel]["x"]))
        assert order == sorted(range(7), key=lambda channel: cells[channel])
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_dask_makes_the_same_atlas(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed", reason="runs the shards on Dask, which is not installed")
    words = ["atlas", "planted", "--layers", "conv1,conv2", "--size=32", "--steps=3"]
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options, protocol="tcp://", host="127.0.0.1") as cluster:
        result = CliRunner().invoke(main, [*words, "-o", "by-dask", "--dask", cluster.scheduler_address])
    assert result.exit_code == 0, result.output
    assert files_of(made.parent / "by-dask") == files_of(made)


class Dying(ThreadPoolExecutor):
    """An executor whose worker dies at every second shard; one that starts `dead` makes none."""

    def __init__(self, *, dead: bool = False) -> None:
        super().__init__(1)
        self.asked, self.dead = 0, dead

    def submit(self, *call: Any) -> Future[Any]:  # type: ignore[override]
        self.asked += 1
        if self.dead or self.asked % 2:
            future = Future[Any]()
            future.set_exception(BrokenExecutor("killed"))
            return future
        return super().submit(*call)


def test_a_worker_that_dies_costs_its_shard_alone(tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    manifest = begun(folder)
    with Dying() as pool:
        made = list(make_shards(folder, missing_shards(manifest, folder), pool))
    assert made[0].number == 2  # the one that was timed
    assert sorted(shard.number for shard in made) == [0, 1, 2, 3] and pool.asked > 3
    assert missing_shards(manifest, folder) == []


def test_workers_that_die_again_and_again_are_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    manifest = begun(folder)
    with (
        Dying(dead=True) as pool,
        pytest.raises(PictureError, match="workers die at conv1:0 and 2 more shards"),
    ):
        list(make_shards(folder, missing_shards(manifest, folder), pool))


def test_no_dask_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"Dask is not installed: pip install 'convscope\[cluster\]'"):
        dask_executor("tcp://127.0.0.1:1").__enter__()


def test_the_network_of_the_workers_is_the_same(tmp_path: Path) -> None:
    begun(tmp_path / "atlas")
    copy = open_network(str(tmp_path / "atlas" / "work" / "network.convscope"))
    assert copy.identity == planted_network().identity


def test_a_second_atlas_in_a_folder_of_the_same_name_is_of_its_own_network(tmp_path: Path) -> None:
    """Workers keep the network open between shards, and may live longer than an atlas."""
    folder = tmp_path / "atlas"
    manifest = begun(folder)
    make_shard(str(folder), 0)
    first = files_of(folder)
    shutil.rmtree(folder)
    weight = planted_network().parameters["conv1.weight"]
    other = planted_network().with_parameters({"conv1.weight": weight.flip(0)})
    manifest = replace(manifest, network_sha256=other.identity)
    begin_atlas(other, manifest, folder)
    make_shard(str(folder), 0)
    assert files_of(folder) != first
    (picture,) = feature_visualization(other, "conv1:1", size=32, steps=3)
    found = pictures_of(manifest, 0, folder)
    np.testing.assert_array_equal(found.pictures[1, 0], picture.array)


def test_another_network_in_the_folder_of_an_atlas_is_refused(tmp_path: Path) -> None:
    manifest = begun(tmp_path / "atlas")
    weight = planted_network().parameters["conv1.weight"]
    planted_network().with_parameters({"conv1.weight": weight.flip(0)}).save(
        manifest.network_path(tmp_path / "atlas")
    )
    with pytest.raises(InputError, match=r"network.convscope is another network than this atlas is of"):
        make_shard(str(tmp_path / "atlas"), 0)
