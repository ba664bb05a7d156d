"""``convscope atlas``, ``atlas-merge``, ``atlas-check``: every unit of a network as a folder that opens anywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.measuring import measured
from convscope.cli.options import Opening, json_option, network_options
from convscope.cli.result_paths import (
    end_interrupted,
    explain,
    hint,
    note,
    print_json,
    printable,
    progress_bar,
)

if TYPE_CHECKING:
    from convscope.atlas.layer_map import LayerMap
    from convscope.atlas.manifest import AtlasManifest, Shard
    from convscope.measuring.listed_picture import ListedPicture
    from convscope.network.network import Network

atlas_option = click.option(
    "-o", "--output", metavar="FOLDER", required=True, help="The atlas; it may be begun."
)
photographs_option = click.option(
    "--photographs",
    metavar="FOLDER",
    help="Real pictures, a folder or pattern: each unit then has its examples, a histogram, and how often it fires.",
)

maps_option = click.option(
    "--maps",
    is_flag=True,
    help="Lay each layer out as a map too, units that answer to the same photographs side by side (t-SNE; needs "
    "scikit-learn).",
)


def _share(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    index, slash, of = text.partition("/")
    if not (slash and index.isdecimal() and of.isdecimal()):
        raise click.BadParameter(f"{text!r} is not I/N, as 3/16")
    return int(index), int(of)


@click.command()
@click.argument("network")
@network_options
@atlas_option
@photographs_option
@click.option("--layers", metavar="A,B", help="Only these layers; all convolutions by default.")
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    default=128,
    show_default=True,
    help="Height and width of each picture, in pixels.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=128,
    show_default=True,
    help="By how many steps each is improved.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, other pictures.")
@click.option(
    "--pictures-per-unit",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    metavar="N",
    help="What each unit wants to see from N seeds, the strongest first.",
)
@click.option(
    "--fast",
    is_flag=True,
    help="Compute the pictures in half precision (bfloat16); judged in full. Two thirds of the time where the "
    "processor is fast at it.",
)
@maps_option
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes, of a thread each; one a core by default.",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Make the pictures on the workers of a Dask scheduler, as tcp://host:8786; all have to see the folder.",
)
@click.option(
    "--shard", "share", callback=_share, metavar="I/N", help="Only this share of the work, as 3/16."
)
@json_option
def atlas(
    network: str,
    opening: Opening,
    output: str,
    photographs: str | None,
    layers: str | None,
    size: int,
    steps: int,
    seed: int,
    pictures_per_unit: int,
    fast: bool,
    maps: bool,
    workers: int | None,
    dask: str | None,
    share: tuple[int, int] | None,
    as_json: bool,
) -> None:
    """Make the atlas of NETWORK: what every unit wants to see and what it finds, as a folder that opens anywhere.

    What is there is not made again: after Ctrl-C or a kill the same command goes on, and several machines may each make
    a share of one folder. The cost is said when the first 16 units are made.
    """
    from convscope.atlas.making import begin_atlas, missing_shards
    from convscope.measuring.picture_list import list_pictures

    if dask and workers:
        raise click.UsageError("--workers is of this machine's processes: Dask's workers are what they are")
    _require_maps(maps, photographs)
    folder, net = Path(output), opening.open(network)
    listed = list_pictures(photographs) if photographs else ()
    how = {"size": size, "steps": steps, "seed": seed, "pictures_per_unit": pictures_per_unit, "fast": fast}
    manifest = _manifest(net, listed, layers, how)
    begin_atlas(net, manifest, folder)
    with _kept_at_ctrl_c(manifest, folder):
        if listed:
            measured(
                net, listed, list(manifest.layers), folder=manifest.measurement_path(folder), shard=share
            )
        missing = missing_shards(manifest, folder, share)
        with _executor(dask, workers) as (executor, count):
            _make(folder, missing, executor, count)
        if share is None:
            _merge(folder, net, listed, maps, as_json)
            return
    if as_json:
        print_json({"folder": str(folder), "shards": len(missing), "of": len(manifest.shards)})
    count_words = f"{len(missing):,} shard{'' if len(missing) == 1 else 's'} made"
    hint(f"{count_words}; convscope atlas-merge {folder} when all are there")


@contextmanager
def _executor(dask: str | None, workers: int | None) -> Iterator[tuple[Executor | None, int | None]]:
    from convscope.atlas.dask_executor import dask_executor

    if dask is None:
        yield None, workers
        return
    with dask_executor(dask) as (executor, threads):
        yield executor, threads


@contextmanager
def _kept_at_ctrl_c(manifest: AtlasManifest, folder: Path) -> Iterator[None]:
    """End the command where Ctrl-C ends this block, and say what is kept."""
    from convscope.atlas.making import missing_shards

    try:
        yield
    except KeyboardInterrupt:
        of = len(manifest.shards)
        done = of - len(missing_shards(manifest, folder))
        end_interrupted(f"{done:,} of {of:,} shards are made and kept in {folder}")


def _make(folder: Path, missing: Sequence[Shard], executor: Executor | None, workers: int | None) -> None:
    """Make the shards under a bar."""
    from convscope.atlas.making import make_shards

    with progress_bar(total=sum(one.end - one.first for one in missing), unit="unit") as bar:
        for shard in make_shards(
            folder, missing, executor, workers=workers, told=lambda cost: note(str(cost))
        ):
            bar.update(shard.end - shard.first)


@click.command()
@click.argument("folder")
@photographs_option
@maps_option
@json_option
def atlas_merge(folder: str, photographs: str | None, maps: bool, as_json: bool) -> None:
    """Make the page of an atlas in FOLDER from the shards that there are."""
    from convscope.atlas.manifest import AtlasManifest
    from convscope.atlas.shard import network_of
    from convscope.measuring.picture_list import list_pictures, pictures_hash

    _require_maps(maps, photographs)
    place = Path(folder)
    manifest = AtlasManifest.open(place)
    listed = list_pictures(photographs) if photographs else ()
    if listed:
        manifest.require_photographs(pictures_hash(listed), place)
    elif manifest.pictures_sha256:
        note("it was made with photographs: without --photographs FOLDER the page has no examples")
    _merge(place, network_of(place, manifest), listed, maps, as_json)


@click.command()
@click.argument("folder")
@json_option
def atlas_check(folder: str, as_json: bool) -> None:
    """Say what is missing or damaged in an atlas in FOLDER; the exit status is 1 where anything is."""
    from convscope.atlas.manifest import AtlasManifest
    from convscope.atlas.merging import check_atlas

    wrong, units = check_atlas(Path(folder)), AtlasManifest.open(Path(folder)).units
    if as_json:
        print_json({"folder": folder, "units": units, "whole": not wrong, "wrong": wrong})
    else:
        for line in wrong or [f"{units:,} units, all there and whole"]:
            click.echo(printable(line))
    if wrong:
        sys.exit(1)


def _require_maps(maps: bool, photographs: str | None) -> None:
    """Say before the work that there can be no maps."""
    from convscope.atlas.layer_map import require_maps

    if maps and not photographs:
        raise click.UsageError(
            "--maps lays units out by what photographs make them answer: give --photographs FOLDER"
        )
    if maps:
        require_maps()


def _merge(
    folder: Path, network: Network, listed: Sequence[ListedPicture], maps: bool, as_json: bool
) -> None:
    """Make the page, and print where it is and with --verbose what is on it."""
    from convscope.atlas.making import missing_shards
    from convscope.atlas.manifest import AtlasManifest
    from convscope.atlas.merging import merge_atlas
    from convscope.measuring.measurements import Measurements

    manifest = AtlasManifest.open(folder)
    measurements = Measurements.open(manifest.measurement_path(folder)) if listed else None
    page = merge_atlas(folder, network, measurements, listed, tell=_say_map if maps else None)
    missing = sum(shard.end - shard.first for shard in missing_shards(manifest, folder))
    facts = {"path": str(page), "layers": len(manifest.layers), "units": manifest.units, "missing": missing}
    if as_json:
        print_json(facts)
        return
    click.echo(printable(page))
    explain(
        f"What {manifest.units:,} units of {manifest.network} want to see, layer by layer"
        + (f"; {missing:,} of them are not made yet" if missing else "")
        + (f"; with {len(listed):,} photographs" if listed else "")
    )


def _say_map(layer: str, map: LayerMap) -> None:
    """Say how far the neighbors on a layer's map are those in truth."""
    trust = "too few units" if map.trustworthiness is None else f"trustworthiness {map.trustworthiness} of 1"
    note(f"map of {layer}: {trust}")


def _manifest(
    network: Network, listed: tuple[ListedPicture, ...], layers: str | None, how: Mapping[str, Any]
) -> AtlasManifest:
    from convscope.atlas.manifest import SHARD_PICTURES, AtlasManifest
    from convscope.measuring.picture_list import pictures_hash
    from convscope.measuring.plan import plan_measurement

    convolutions = [
        name
        for name in network.layers
        if any(step.kind == "convolution" for step in network.graph.written_by(name))
    ]
    plan = plan_measurement(network, layers.split(",") if layers else convolutions)
    return AtlasManifest(
        network=network.name,
        network_sha256=network.identity,
        layers={layer.name: layer.channels for layer in plan.layers},
        preset="default",
        pictures_sha256=pictures_hash(listed) if listed else None,
        shard_units=max(1, SHARD_PICTURES // how["pictures_per_unit"]),
        **how,
    )
