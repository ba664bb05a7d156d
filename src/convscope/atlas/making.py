"""Makes an atlas: a list of shards, handed to any executor; what is there is skipped, and Ctrl-C keeps the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from convscope.atlas.manifest import AtlasManifest, Shard
from convscope.atlas.process_executor import process_executor
from convscope.atlas.shard import make_shard
from convscope.errors import InputError, PictureError
from convscope.files import writing
from convscope.network.engine.threads import computing_on
from convscope.network.network import Network
from convscope.times import require_an_end

_PATIENCE = 5  # deaths for each worker while no shard is made


@dataclass(frozen=True)
class Cost:
    """What is left of an atlas, from one shard that was timed: ``units`` units, ``seconds`` on so many workers."""

    units: int
    seconds: float
    size: int

    def __str__(self) -> str:
        """Say it in words."""
        hours = self.seconds / 3600
        minutes = max(1, round(self.seconds / 60))
        time = f"{hours:.1f} hours" if hours >= 1 else f"{minutes} minute{'s' if minutes > 1 else ''}"
        return f"{self.units:,} units to make: about {time} and {max(1, self.size / 1e6):,.0f} MB"


def begin_atlas(network: Network, manifest: AtlasManifest, folder: Path) -> None:
    """Claim a folder for an atlas, and put the network there that workers open; InputError of endless steps."""
    require_an_end("steps", manifest.steps)
    with writing(folder):
        manifest.claim(folder)
        if not manifest.network_path(folder).exists():
            network.save(manifest.network_path(folder))


def missing_shards(
    manifest: AtlasManifest, folder: Path, share: tuple[int, int] | None = None
) -> list[Shard]:
    """Return the shards that are not made, of all or of the third of sixteen shares (3, 16)."""
    index, of = share or (1, 1)
    if not 1 <= index <= of:
        raise InputError(f"a shard is I/N with I from 1 to N, not {index}/{of}")
    return [shard for shard in manifest.shards[index - 1 :: of] if not shard.path(folder).exists()]


def make_shards(
    folder: Path,
    shards: Sequence[Shard],
    executor: Executor | None = None,
    *,
    workers: int | None = None,
    told: Callable[[Cost], None] = lambda cost: None,
) -> Iterator[Shard]:
    """Make shards, and yield each when it is there.

    `executor` is any of `concurrent.futures`' kind, Dask's ``Client.get_executor(pure=False)`` too: it is given the
    folder's name, which has to be the same wherever it computes, and numbers. By default a pool of `workers` processes
    (one a core) of one thread each. The shard in the middle is made here first, on one thread, and timed, and `told`
    what the rest will take: early layers take a third of what late ones do. A worker that dies costs the shard it was
    at, which another makes; PictureError where they die again and again.
    """
    if not shards:
        return
    workers, start = workers or os.cpu_count() or 1, monotonic()
    place = str(folder.absolute())  # another machine's process stands elsewhere
    middle = shards[len(shards) // 2]
    with computing_on(1):
        make_shard(place, middle.number)
    seconds, rest = monotonic() - start, [shard for shard in shards if shard is not middle]
    size = middle.path(folder).stat().st_size
    units = sum(shard.end - shard.first for shard in rest)
    if units:
        told(Cost(units, seconds / (middle.end - middle.first) * units / workers, size * len(rest)))
    yield middle
    if not rest:
        return
    yield from _made_by(executor, workers, place, rest)


def _made_by(executor: Executor | None, workers: int, place: str, shards: Sequence[Shard]) -> Iterator[Shard]:
    """Yield shards as workers make them; those whose worker died are given out again."""
    missing, deaths = {shard.number: shard for shard in shards}, list[BaseException]()
    while missing and len(deaths) < _PATIENCE * workers:
        with _running(executor, workers) as pool:
            futures = list[Future[int]]()
            try:
                futures += [pool.submit(make_shard, place, number) for number in missing]
                for future in as_completed(futures):
                    error = future.exception()
                    if error is None or not _is_death(error):
                        yield missing.pop(future.result())
                        deaths.clear()
                        continue
                    deaths.append(error)
                    if len(deaths) == _PATIENCE * workers:
                        break
            except BrokenExecutor as error:  # a pool that takes no more
                deaths.append(error)
            finally:
                for future in futures:
                    future.cancel()
    if missing:
        raise PictureError(
            f"workers die at {next(iter(missing.values())).addresses[0]} and {len(missing) - 1:,} more shards "
            f"({type(deaths[-1]).__name__}); is there memory enough for so many? What is made is kept"
        )


def _is_death(error: BaseException) -> bool:
    """Tell a worker that died from a shard that cannot be made; Dask, whose error that is, may not be installed."""
    return isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"


def _running(executor: Executor | None, workers: int) -> AbstractContextManager[Executor]:
    return process_executor(workers) if executor is None else nullcontext(executor)
