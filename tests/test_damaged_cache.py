"""The cache holds what nobody vouches for: damaged or foreign entries are made again, with the same result."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file

from convscope import open_network
from convscope.cache import keep, kept_facts, kept_tensors
from convscope.cli import main
from convscope.errors import ConvscopeWarning
from planted import planted_files


def shortened(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[: entry.stat().st_size // 2])


def foreign(entry: Path) -> None:
    save_file(
        {"picture": torch.zeros(2, 2), "pictures": torch.zeros(3)}, entry, {"kept": "7", "convscope": "[]"}
    )


def of_other_numbers(entry: Path) -> None:
    """Whole, and of the right shapes; JSON is made another's."""
    if entry.suffix == ".json":
        entry.write_text(entry.read_text().replace("a", "b"))
    else:
        save_file({name: value.to(torch.float64) for name, value in load_file(entry).items()}, entry)


def folder(entry: Path) -> None:
    entry.unlink()
    entry.mkdir()
    (entry / "inside").write_text("x")


def loop(entry: Path) -> None:
    entry.unlink()
    entry.symlink_to(entry.name)


DAMAGES: list[Callable[[Path], object]] = [
    shortened,
    foreign,
    of_other_numbers,
    folder,
    loop,
    lambda entry: entry.write_bytes(b""),
    lambda entry: entry.write_bytes(b"\xff\x00nonsense" * 9),
    lambda entry: entry.write_text("null"),
]
COMMANDS = {
    "see": ["conv1:0", "--size", "12", "--steps", "2", "-o", "OUT/see.png"],
    "examples": ["conv1:0", "--photographs", "PHOTOGRAPHS", "-o", "OUT/examples.png"],
    "trust": ["PHOTOGRAPHS/0.png", "--methods", "saliency"],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a cache of its own, photographs, and a network."""
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photographs").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (3, 20, 20, 3), dtype=np.uint8)
    for index, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / "photographs" / f"{index}.png")
    (tmp_path / "network").mkdir()
    open_network(planted_files(tmp_path / "network")).save(tmp_path / "net.convscope")
    return tmp_path


def result(name: str, place: Path) -> tuple[str, dict[str, bytes]]:
    """Run a command in an empty folder; return what it printed and wrote."""
    shutil.rmtree(place / "out", ignore_errors=True)
    (place / "out").mkdir()
    words = [
        word.replace("OUT", str(place / "out")).replace("PHOTOGRAPHS", str(place / "photographs"))
        for word in COMMANDS[name]
    ]
    run = CliRunner().invoke(main, [name, str(place / "net.convscope"), *words])
    assert run.exit_code == 0, run.output
    return run.stdout, {path.name: path.read_bytes() for path in (place / "out").iterdir()}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_damaged_entry_is_made_again(name: str, place: Path) -> None:
    expected = result(name, place)
    kept = place / "kept"
    shutil.copytree(place / "cache", kept)
    entries = [
        path.relative_to(kept) for path in kept.rglob("*") if path.is_file() and path.suffix != ".lock"
    ]
    assert entries
    for entry in entries:
        for damage in DAMAGES[:4]:
            shutil.rmtree(place / "cache")
            shutil.copytree(kept, place / "cache")
            damage(place / "cache" / entry)
            assert result(name, place) == expected, (entry, damage)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_none(damage: Callable[[Path], object], place: Path) -> None:
    from convscope.jobs import JobCheckpoint

    checkpoint = JobCheckpoint(place / "cache" / "unfinished" / "a.safetensors")
    state = {"index": torch.tensor(3), "values": torch.rand(2, 3), "none": torch.zeros(0, 4)}
    checkpoint.save(state)
    found = checkpoint.load()
    assert found is not None
    assert all(torch.equal(found[name], value) for name, value in state.items())
    damage(checkpoint.path)
    assert checkpoint.load() is None
    checkpoint.save(state)
    assert checkpoint.load() is not None
    shutil.copy(checkpoint.path, other := checkpoint.path.with_name("b.safetensors"))
    assert kept_tensors(other) is None  # another run's
    assert not other.exists()


def test_without_a_cache_the_work_is_done(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = result("see", place)
    (place / "taken").write_text("a file where the cache should be")
    monkeypatch.setenv("CONVSCOPE_CACHE", str(place / "taken"))
    assert result("see", place) == expected


def test_a_disk_that_takes_no_more_is_a_note(tmp_path: Path) -> None:
    def full(partial: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.warns(ConvscopeWarning, match=r"a.json cannot be kept \(No space left on device\)"):
        keep(tmp_path / "a.json", full)
    assert not list(tmp_path.iterdir())
    assert kept_facts(tmp_path / "a.json") is None
