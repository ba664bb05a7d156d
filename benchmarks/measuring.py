"""The pass over photographs beside brute force, and what it costs beside the bare network.

    python benchmarks/measuring.py equal NETWORK PHOTOGRAPHS [LAYER ...]
    python benchmarks/measuring.py speed NETWORK PHOTOGRAPHS [LAYER ...]
    python benchmarks/measuring.py cluster
    python benchmarks/measuring.py workers [STEPS]
    python benchmarks/measuring.py killed [SECONDS]

`equal` keeps every answer of every unit of the layers (all by default) and compares: maxima, means, places, counts, the
strongest, the bands, the histograms; and that what lies outside a crop changes nothing in it. `speed` measures
processor seconds, which a busy machine stretches least. `cluster` gives the shards of an atlas of 64,000 units to 64
workers with a clock of their own, one in fifty of which dies at its shard: what is left is the scheduler's own time.
`workers` makes 22 shards of builtin's by 1, 2 and 4 processes, and by 1 and 2 of Dask's, of a thread each, all started
before the clock is; STEPS (16) says how much work they are. `killed` makes them by two processes, one of which is
killed (as by kill -9) every SECONDS (5): the files have to be those of the undisturbed.
"""

from __future__ import annotations

import heapq
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convscope import measure, open_network
from convscope.atlas.dask_executor import dask_executor
from convscope.atlas.making import begin_atlas, make_shards, missing_shards
from convscope.atlas.manifest import AtlasManifest
from convscope.atlas.shard import make_shard, one_thread
from convscope.measuring.block import BlockFile
from convscope.measuring.listed_picture import ListedPicture
from convscope.measuring.measurements import Measurements
from convscope.measuring.picture_list import list_pictures
from convscope.measuring.plan import BLOCK, plan_measurement
from convscope.measuring.reading import read_input
from convscope.network.network import Network

OUTSIDE = 60  # crops whose surroundings are replaced
FACTS = ("max", "mean", "position", "fires", "lowest")


def batches(count: int, batch: int) -> Iterator[range]:
    """Yield the pictures of each batch: none crosses from one block to the next."""
    for block in range(0, count, BLOCK):
        for start in range(block, min(block + BLOCK, count), batch):
            yield range(start, min(start + batch, block + BLOCK, count))


def inputs_of(network: Network, paths: Sequence[str]) -> torch.Tensor:
    return torch.cat([network.preprocess(path) for path in paths])


def brute_force(network: Network, paths: Sequence[str], found: Measurements) -> dict[str, dict[str, NDArray]]:
    """Return maximum, mean, place, count and minimum of each layer, (pictures, channels)."""
    kept = {
        name: {what: np.empty((len(paths), layer.channels)) for what in FACTS}
        for name, layer in found.layers.items()
    }
    for numbers in batches(len(paths), found.manifest.batch):
        with torch.no_grad():
            values = network.activations(inputs_of(network, [paths[i] for i in numbers]), *found.layers)
        for name in found.layers:
            value = network.channels_first(name, values.pop(name)).double()
            value = value.flatten(2) if value.dim() > 2 else value[:, :, None]
            highest, place = value.max(2)
            answers = highest, value.mean(2), place, (value > 0).sum(2), value.min(2).values
            for what, number in zip(FACTS, answers, strict=True):
                kept[name][what][numbers] = number.numpy()
    return kept


def remember() -> None:
    """Have each file of a measurement read once: a question reads the few numbers it needs, thousands read all."""
    read = lru_cache(maxsize=64)(BlockFile.read)

    def cached(file: BlockFile, layer: int, what: str, channels: Any = slice(None)) -> NDArray:
        return read(file, layer, what)[..., channels]

    BlockFile.read = cached  # type: ignore[method-assign]
    BlockFile.facts = lru_cache(BlockFile.facts)  # type: ignore[method-assign]


def compare(found: Measurements, name: str, brute: dict[str, NDArray], wrong: Counter[str]) -> None:
    """Count what differs in a layer."""
    wrong["maxima"] += int((found.values(name) != brute["max"].astype(np.float32)).sum())
    near = np.isclose(found.values(name, "mean"), brute["mean"], rtol=1e-5, atol=1e-7)
    wrong["means (1e-5)"] += int((~near).sum())
    pictures, positions = found.firing(name)
    wrong["shares of pictures"] += int((pictures != (brute["max"] > 0).mean(0)).sum())
    every = len(brute["max"]) * found.layers[name].positions
    wrong["shares of positions"] += int((positions != brute["fires"].sum(0) / every).sum())
    wrong["lowest"] += int((found.lowest(name) != brute["lowest"].min(0).astype(np.float32)).sum())
    for channel in range(found.layers[name].channels):
        unit, values = f"{name}:{channel}", brute["max"][:, channel].astype(np.float32)
        order = sorted(range(len(values)), key=lambda row: (-values[row], row))
        strongest = found.strongest(unit, top=9)
        wrong["strongest nine"] += [one.index for one in strongest] != order[:9]
        columns = found.layers[name].columns
        places = [divmod(int(brute["position"][row, channel]), columns) for row in order[:9]]
        wrong["places"] += [one.position for one in strongest] != places
        above = [row for row in range(len(values)) if values[row] > 0]
        for share in (0.9, 0.5, 0.0):
            goal = np.float32(share) * values.max()
            near_it = sorted(above, key=lambda row: (abs(values[row] - goal), row))
            wrong["bands"] += [one.index for one in found.band(unit, share)] != near_it[:3]
        edges = np.linspace(float(values.min()), float(values.max()), 25)
        if edges[0] < edges[-1]:
            inside = np.clip(np.searchsorted(edges, values, "right") - 1, 0, 23)
            histogram = found.histogram(unit, bins=24).counts.tolist()
            wrong["histograms"] += histogram != np.bincount(inside, minlength=24).tolist()


def outside_of_crops(network: Network, found: Measurements, wrong: Counter[str]) -> None:
    """Replace all that lies outside a crop: the unit's answer at its place stays; inside it does not."""
    random = np.random.default_rng(0)
    layers = [name for name, layer in found.layers.items() if layer.rows > 1]
    for _ in range(OUTSIDE):
        name = layers[random.integers(len(layers))]
        unit = f"{name}:{random.integers(found.layers[name].channels)}"
        (one,) = found.strongest(unit, top=1)
        if one.box is None or one.value <= 0:
            continue
        input, (left, top, right, bottom) = inputs_of(network, [one.path]), one.box
        noise = input.flip(2, 3) * 0.7 + 11
        noise[:, :, top:bottom, left:right] = input[:, :, top:bottom, left:right]
        answer = network.activations(noise, unit)[unit][0, one.position[0], one.position[1]]
        wrong["answers that a crop's outside changes (1e-4)"] += abs(float(answer) / one.value - 1) > 1e-4
        wrong["crops looked at"] += 1


def equal(source: str, photographs: str, layers: Sequence[str]) -> None:
    network, listed = open_network(source), list_pictures(photographs)
    names = [layer.name for layer in plan_measurement(network, layers).layers]
    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(network, listed, names, folder=folder)
        seconds, wrong = perf_counter() - began, Counter[str]()
        brute = brute_force(network, [one.path for one in listed], found)
        remember()
        for name in found.layers:
            compare(found, name, brute[name], wrong)
        outside_of_crops(network, found, wrong)
        units = sum(layer.channels for layer in found.layers.values())
        print(f"{network.name}: {units:,} units of {len(names)} layers, {len(listed)} photographs")
        print(f"measured in {seconds:.0f} s; different from brute force:")
        for what, count in wrong.items():
            print(f"  {what}: {count:,}")


def seconds_each(work: Iterator[object], count: int) -> float:
    """Return the processor's milliseconds for each picture."""
    began = process_time()
    for _ in work:
        pass
    return 1000 * (process_time() - began) / count


def speed(source: str, photographs: str, layers: Sequence[str]) -> None:
    network, listed = open_network(source), list_pictures(photographs)[: 2 * BLOCK]
    plan = plan_measurement(network, layers)
    spec = network.picture_spec.replace(crops=1)
    read = [read_input(spec, one) for one in listed]
    inputs = [one for one in read if isinstance(one, torch.Tensor)]
    names = [layer.name for layer in plan.layers]

    def forward() -> Iterator[object]:
        for numbers in batches(len(inputs), plan.batch):
            with torch.no_grad():
                yield network.activations(torch.cat([inputs[i] for i in numbers]), *names)

    def measured(pictures: Sequence[ListedPicture]) -> Iterator[object]:
        with tempfile.TemporaryDirectory() as folder:
            yield measure(network, pictures, names, folder=folder, watch=lambda done, of: None)

    def reading() -> Iterator[object]:
        for one in listed:
            yield read_input(spec, one)

    seconds_each(forward(), 1)  # warm
    count = len(inputs)
    bare, whole, decoding = (seconds_each(w, count) for w in (forward(), measured(listed), reading()))
    print(
        f"{network.name}, {len(names)} layers, {plan.batch} at a time, {count} photographs, processor time each"
    )
    print(f"  bare network {bare:.1f} ms, reading {decoding:.1f} ms, measuring {whole:.1f} ms")
    print(f"  measuring without reading: {100 * bare / (whole - decoding):.0f} % of the bare network's rate")


class Cluster(Executor):
    """64 workers whose clock is simulated: a shard takes 50 to 70 seconds, and is nobody's work."""

    def __init__(self) -> None:
        self.free, self.random, self.worked, self.deaths = [0.0] * 64, np.random.default_rng(0), 0.0, 0

    def submit(self, function: Any, /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future, seconds = Future[Any](), float(self.random.uniform(50, 70))
        heapq.heapreplace(self.free, self.free[0] + seconds)
        if self.random.random() < 0.02:
            self.deaths += 1
            future.set_exception(BrokenExecutor("killed"))
        else:
            self.worked += seconds
            future.set_result(arguments[-1])
        return future


def cluster() -> None:
    network = open_network("builtin")
    manifest = AtlasManifest("simulated", network.identity, {"units": 64_000}, 16, 1, "default", 0)
    with tempfile.TemporaryDirectory() as folder:
        manifest.claim(Path(folder))
        first = manifest.shards[0].path(Path(folder))
        first.write_bytes(b"made")  # so that none is made here
        executor, began = Cluster(), process_time()
        made = sum(1 for _ in make_shards(Path(folder), manifest.shards, executor, workers=64))
        own = process_time() - began
    ideal, whole = executor.worked / 64, max(executor.free)
    print(
        f"{made:,} shards by 64 workers, {executor.deaths} of which died: {1000 * own / made:.2f} ms of the"
    )
    print(
        f"scheduler's own for each; {whole / 3600:.2f} simulated hours, {100 * ideal / whole:.0f} % of them work"
    )


@contextmanager
def own_cache() -> Iterator[None]:
    """Have this process and those it starts make every picture: none is taken from an earlier run."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CONVSCOPE_CACHE"] = folder
        yield


@contextmanager
def begun(steps: int) -> Iterator[tuple[Path, AtlasManifest]]:
    """Give the folder of an atlas of builtin's mixed4a, 22 shards of 16 units, none of which is made."""
    network = open_network("builtin")
    manifest = AtlasManifest("builtin", network.identity, {"mixed4a": 352}, 64, steps, "default", 0)
    with tempfile.TemporaryDirectory() as folder:
        begin_atlas(network, manifest, Path(folder))
        yield Path(folder), manifest


def files_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "work" / "shards").glob("*.safetensors"))]


def made_by(executor: Executor, count: int, steps: int) -> tuple[float, list[bytes]]:
    """Return the seconds that workers took for all shards but the first, which is made here, and the files."""
    with begun(1) as (folder, _):  # every worker imports and opens what it needs
        list(executor.map(make_shard, [str(folder)] * 4 * count, range(4 * count)))
    began = 0.0

    def start(_: object) -> None:
        nonlocal began
        began = perf_counter()

    with begun(steps) as (folder, manifest):
        list(make_shards(folder, missing_shards(manifest, folder), executor, workers=count, told=start))
        return perf_counter() - began, files_of(folder)


@contextmanager
def pool(count: int) -> Iterator[Executor]:
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=one_thread) as executor:
        yield executor


@contextmanager
def dask(count: int) -> Iterator[Executor]:
    from distributed import LocalCluster

    options = {"threads_per_worker": 1, "dashboard_address": None, "protocol": "tcp://", "host": "127.0.0.1"}
    with (
        LocalCluster(n_workers=count, **options) as local,
        dask_executor(local.scheduler_address) as (executor, _),
    ):
        yield executor


def workers(steps: int = 16) -> None:
    first: dict[str, float] = {}
    same: list[list[bytes]] = []
    for words, opened, counts in (("processes", pool, (1, 2, 4)), ("Dask's", dask, (1, 2))):
        for count in counts:
            with own_cache(), opened(count) as executor:
                seconds, files = made_by(executor, count, steps)
            first.setdefault(words, seconds)
            same.append(files)
            print(f"{count} {words}: {seconds:.1f} s for 21 shards, {first[words] / seconds:.2f} times one")
    print(f"the files are {'the same' if all(one == same[0] for one in same) else 'NOT THE SAME'}")


def killed(seconds: float = 5, steps: int = 16) -> None:
    with own_cache(), begun(steps) as (folder, manifest):
        for shard in manifest.shards:
            make_shard(str(folder), shard.number)
        undisturbed = files_of(folder)
    ended, count = Event(), 0

    def kill() -> None:
        nonlocal count
        while not ended.wait(seconds):
            if processes := active_children():
                os.kill(processes[count % len(processes)].pid or 0, signal.SIGKILL)
                count += 1

    with own_cache(), begun(steps) as (folder, manifest):
        thread = Thread(target=kill)
        thread.start()
        try:
            list(make_shards(folder, missing_shards(manifest, folder), workers=2))
        finally:
            ended.set()
            thread.join()
        same = files_of(folder) == undisturbed
    print(f"{count} workers killed, {len(undisturbed)} shards {'the same' if same else 'NOT THE SAME'}")


if __name__ == "__main__":
    if sys.argv[1] in ("cluster", "workers", "killed"):
        {"cluster": cluster, "workers": workers, "killed": killed}[sys.argv[1]](*map(int, sys.argv[2:]))
    else:
        {"equal": equal, "speed": speed}[sys.argv[1]](sys.argv[2], sys.argv[3], sys.argv[4:])
