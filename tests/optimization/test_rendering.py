"""Many pictures: kept, killed and gone on with, interrupted, previewed, in batches of any size."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from convscope.errors import ConvscopeWarning, InputError
from convscope.formats.opening import open_network
from convscope.network.network import Network
from convscope.optimization import rendering
from convscope.optimization.canvases.fourier import Fourier
from convscope.optimization.canvases.painting import Painting
from convscope.optimization.objectives import custom, unit
from convscope.optimization.rendering import (
    Progress,
    RenderedPicture,
    RenderJob,
    pictures_at_once,
    render,
    watch_rendering,
)
from convscope.optimization.settings import Settings
from planted import planted_network

SETTINGS = Settings(Painting(Fourier()), rate=0.1, steps=6, size=(32, 32))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def jobs(network: Network, count: int = 3, keyed: bool = True) -> list[RenderJob]:
    names = [f"conv1:{index}" for index in range(count)]
    return [
        RenderJob(name, unit(network, name), index, name if keyed else None)
        for index, name in enumerate(names)
    ]


def made_by(network: Network, work: list[RenderJob], batch: int | None = None) -> list[RenderedPicture]:
    return [made for progress in render(network, work, SETTINGS, batch=batch) for made in progress.made]


def test_every_step_is_told_and_every_picture_made_once() -> None:
    network = planted_network()
    told = list(render(network, jobs(network), SETTINGS, batch=2))
    assert [progress.of for progress in told] == [18] * len(told)
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert told[-1].done == 18
    assert [[made.name for made in progress.made] for progress in told if progress.made] == [
        ["conv1:0", "conv1:1"],
        ["conv1:2"],
    ]
    assert told[0].preview()["conv1:1"].shape == (3, 32, 32)


def test_batches_of_any_size_make_the_same_pictures() -> None:
    network = planted_network()
    one, three = (made_by(network, jobs(network, keyed=False), batch) for batch in (1, 3))
    for alone, together in zip(one, three, strict=True):
        difference = (alone.picture.int() - together.picture.int()).abs()
        assert difference.max() <= 1
        assert alone.verdict.reached == pytest.approx(together.verdict.reached, rel=1e-3)


def test_a_unit_of_any_size_is_the_same_beside_one_that_needs_the_networks_own() -> None:
    torch.manual_seed(3)
    layers = (
        torch.nn.Conv2d(3, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(2304, 2),
    )
    network = open_network(torch.nn.Sequential(*layers), input_shape=(1, 3, 24, 24))
    work = [RenderJob(name, unit(network, name), 5, None) for name in ("1:2", "3:1", "1:3")]
    together = {one.name: one for one in made_by(network, work)}
    assert list(together) == ["1:2", "1:3", "3:1"]
    for job in work:
        (alone,) = made_by(network, [job])
        assert (alone.picture.int() - together[job.name].picture.int()).abs().max() <= 1
        assert alone.verdict.reached == pytest.approx(together[job.name].verdict.reached, rel=1e-3)


def test_kept_pictures_are_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    network = planted_network()
    first = made_by(network, jobs(network))
    monkeypatch.setattr(rendering, "ascend", None)
    again = made_by(network, jobs(network))
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.picture, other.picture)
        assert one.verdict == other.verdict


def test_a_kept_picture_that_cannot_be_read_is_made_again(cache: Path) -> None:
    network = planted_network()
    first = made_by(network, jobs(network, 1))
    (kept,) = (cache / "features").glob("*.safetensors")
    kept.write_bytes(b"nonsense")
    assert torch.equal(made_by(network, jobs(network, 1))[0].picture, first[0].picture)


def interrupting(after: int) -> Callable[[torch.Tensor], torch.Tensor]:
    steps = iter(range(1000))

    def score(value: torch.Tensor) -> torch.Tensor:
        if next(steps) == after:
            raise KeyboardInterrupt
        return value.flatten(1).mean(1)

    return score


def test_an_interrupt_keeps_what_there_is() -> None:
    network = planted_network()
    objective = custom("conv1:0", interrupting(3), "interrupted")
    told = list[Progress]()
    assert watch_rendering(render(network, [RenderJob("one", objective, 0)], SETTINGS), told.append)
    (made,) = told[-1].made
    assert told[-1].interrupted
    assert made.steps == 3
    assert made.verdict.reached > 0


def test_an_interrupt_while_a_step_is_shown_keeps_the_same(cache: Path) -> None:
    """Wherever Ctrl-C comes, the pictures are kept, and another run goes on after the last whole step."""
    network, told = planted_network(), list[Progress]()
    whole = made_by(network, jobs(network, keyed=False))

    def watch(progress: Progress) -> None:
        told.append(progress)
        if progress.done == 9 and not progress.interrupted:
            raise KeyboardInterrupt

    assert watch_rendering(render(network, jobs(network), SETTINGS), watch)
    assert [made.steps for made in told[-1].made] == [3, 3, 3]
    again = list(render(network, jobs(network), SETTINGS))
    assert again[0].done == 12
    for one, other in zip(whole, again[-1].made, strict=True):
        assert torch.equal(one.picture, other.picture)


def test_an_unfinished_batch_goes_on_where_it_was(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = planted_network()
    whole = made_by(network, jobs(network, keyed=False))
    running = render(network, jobs(network), SETTINGS)
    for progress in running:
        if progress.done >= 9:
            break
    running.close()
    assert len(list((cache / "features").glob("*.unfinished.safetensors"))) == 1
    told = list(render(network, jobs(network), SETTINGS))
    assert told[0].done > 9
    for one, other in zip(whole, told[-1].made, strict=True):
        assert torch.equal(one.picture, other.picture)
    assert not list((cache / "features").glob("*.unfinished.safetensors"))


SCRIPT = """
import sys
from pathlib import Path
import torch
sys.path.insert(0, {tests!r})
torch.set_num_threads(1)
from convscope import jobs as long_work
from convscope.optimization import rendering
from test_rendering import SETTINGS, jobs
from planted import planted_network
from dataclasses import replace
long_work.BETWEEN_SAVES = 0.0
network = planted_network()
for progress in rendering.render(network, jobs(network), replace(SETTINGS, steps=60), batch=2):
    print(progress.done, flush=True)
    for made in progress.made:
        torch.save(made.picture, Path(sys.argv[1]) / made.name.replace(":", "-"))
"""


def run(folder: Path, cache: Path, kill_at: int | None = None) -> list[int]:
    """Render in another process, killed (as by kill -9) once it tells `kill_at` steps; return what it told."""
    folder.mkdir(exist_ok=True)
    here = Path(__file__).resolve().parent
    environment = os.environ | {
        "CONVSCOPE_CACHE": str(cache),
        "PYTHONPATH": os.pathsep.join([str(here), *sys.path]),
    }
    command = [sys.executable, "-c", SCRIPT.format(tests=str(here.parent)), str(folder)]
    told = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(int(line))
            if kill_at is not None and told[-1] >= kill_at:
                process.send_signal(signal.SIGKILL)
                break
    return told


@pytest.mark.slow
def test_killed_and_gone_on_with_equals_undisturbed(tmp_path: Path) -> None:
    run(tmp_path / "whole", tmp_path / "cache1")
    run(tmp_path / "parts", tmp_path / "cache2", kill_at=50)
    time.sleep(0.1)
    middle = run(tmp_path / "parts", tmp_path / "cache2", kill_at=150)
    assert middle[0] >= 50  # nothing is done again but the step that was just told
    end = run(tmp_path / "parts", tmp_path / "cache2")
    assert end[:2] == [60, 120]  # two pictures are kept, the third goes on in its middle
    assert end[2] > 125
    for name in ("conv1-0", "conv1-1", "conv1-2"):
        assert torch.equal(torch.load(tmp_path / "whole" / name), torch.load(tmp_path / "parts" / name))


def test_batches_fit_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    network = planted_network()
    work = jobs(network, 8)
    assert pictures_at_once(network, work, SETTINGS) == 8
    # Three values of a picture: 3 + 2 x 8 planes of 32 x 32 numbers, 4 bytes each, kept three times, in a quarter.
    numbers = (3 + 8 + 8) * 32 * 32
    monkeypatch.setattr(rendering, "machine_memory", lambda: 4 * 2.5 * numbers * 4 * 3)
    assert pictures_at_once(network, work, SETTINGS) == 2
    assert pictures_at_once(network, work, replace(SETTINGS, size=(320, 320))) == 1


def test_a_display_changes_what_is_shown_and_not_the_verdict() -> None:
    network = planted_network()
    inverted = replace(SETTINGS, display=lambda pictures: 1 - pictures)
    (plain,) = [made for told in render(network, jobs(network, 1, False), SETTINGS) for made in told.made]
    (other,) = [made for told in render(network, jobs(network, 1, False), inverted) for made in told.made]
    assert (plain.picture.int() + other.picture.int() - 255).abs().max() <= 1
    assert plain.verdict.reached == pytest.approx(other.verdict.reached, rel=0.01)


@pytest.mark.parametrize("batch", [None, 1])
def test_a_unit_without_numbers_is_named_and_the_others_are_kept(cache: Path, batch: int | None) -> None:
    network = planted_network()
    hopeless = custom("conv1:0", lambda value: value.flatten(1).mean(1) * float("nan"), "hopeless")
    first, second, third = jobs(network)
    work = [first, RenderJob("hopeless", hopeless, 1, "hopeless"), third]
    with pytest.warns(ConvscopeWarning, match="hopeless cannot be ascended"):
        made = made_by(network, work, batch)
    assert [one.name for one in made] == [first.name, third.name]
    kept = {path.stem for path in (cache / "features").glob("*.safetensors")}
    assert kept == {first.key, third.key}
    whole = made_by(network, [replace(first, key=None), second, replace(third, key=None)], batch)
    for one, other in zip(made, (whole[0], whole[2]), strict=True):
        assert (one.picture.int() - other.picture.int()).abs().max() <= 1
    with pytest.raises(InputError, match="hopeless cannot be ascended"):
        made_by(network, [work[1]], batch)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_of_no_pictures_is_refused(batch: int) -> None:
    network = planted_network()
    with pytest.raises(InputError, match=f"at least 1, not {batch}"):
        made_by(network, jobs(network), batch)
