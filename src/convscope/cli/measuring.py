"""The pass over a folder of photographs, under a progress bar, as every command that needs one makes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from convscope.cli.output import end_interrupted, printable, progress_bar
from convscope.cli.settings import settings

if TYPE_CHECKING:
    from convscope.measuring.measure import MeasureProgress, Shard
    from convscope.measuring.measurements import Measurements
    from convscope.measuring.picture_list import PicturesLike
    from convscope.network.network import Network


def measured(
    network: Network,
    pictures: PicturesLike,
    layers: Sequence[str] = (),
    *,
    folder: Path | None = None,
    shard: Shard | None = None,
) -> Measurements:
    """Measure under a bar with the time left; what it takes is said first. Ctrl-C ends the command and keeps it."""
    from convscope.measuring.measure import measure

    done = of = 0
    with progress_bar(unit="photograph") as bar:

        def watch(progress: MeasureProgress) -> None:
            nonlocal done, of
            if bar.total is None:
                bar.initial = bar.n = progress.done
                if progress.done < progress.of and not settings().quiet:
                    click.echo(printable(f"note: {progress.plan.words(progress.of)}"), err=True)
            done, of, bar.total = progress.done, progress.of, progress.of
            bar.update(progress.done - bar.n)

        try:
            return measure(network, pictures, layers, folder=folder, shard=shard, watch=watch)
        except KeyboardInterrupt:
            if not of:
                raise
            end_interrupted(f"{done:,} of {of:,} photographs were through, their full blocks of 64 are kept")
