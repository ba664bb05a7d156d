"""``convscope fine-tune``: teach a network the classes of a folder of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from convscope.cache import cache_folder
from convscope.cli.finite import FiniteRange
from convscope.cli.options import Opening, RenamedOption, json_option, network_options, output_option
from convscope.cli.result_paths import explain, interrupted, place, print_json, printable, progress_bar
from convscope.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from convscope.network.network import Network


@click.command("fine-tune")
@click.argument("network")
@click.argument("folder")
@network_options
@click.option(
    "--layer", "layers", multiple=True, metavar="NAME", help="A layer that learns; the last by default."
)
@click.option(
    "--steps", type=click.IntRange(1), default=100, show_default=True, metavar="N", help="How long it learns."
)
@click.option(
    "--batch",
    "batch_size",
    cls=RenamedOption,
    before=["--batch-size"],
    type=click.IntRange(1),
    default=16,
    show_default=True,
    metavar="N",
    help="Pictures a step.",
)
@click.option(
    "--optimizer",
    type=click.Choice(["Adam", "AdamW", "SGD"]),
    default="Adam",
    show_default=True,
    help="What takes the steps: one of PyTorch's.",
)
@click.option(
    "--rate",
    cls=RenamedOption,
    before=["--learning-rate"],
    type=FiniteRange(0, min_open=True),
    default=1e-3,
    show_default=True,
    metavar="X",
    help="How far a step goes: the optimizer's learning rate.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, other pictures first.")
@json_option
@output_option("The file, as .convscope or .caffemodel", "tuned.convscope")
def fine_tune(
    network: str,
    folder: str,
    opening: Opening,
    layers: tuple[str, ...],
    steps: int,
    batch_size: int,
    optimizer: str,
    rate: float,
    seed: int,
    as_json: bool,
    output: str | None,
) -> None:
    """Give NETWORK a new last layer for the classes of FOLDER (one folder of pictures a class) and train it.

    Ctrl-C keeps what has been learned. The labels and what the network expects are written beside the weights.
    """
    import torch

    from convscope.formats.saving import writer_for
    from convscope.network.fine_tuning import fine_tune as steps_of
    from convscope.network.fine_tuning import image_folder
    from convscope.network.surgery import replace_head

    path = place(output, "tuned.convscope", beside=(".labels.txt", ".json", ".mean.npy"))
    paths, numbers, labels = image_folder(folder)
    tuned = replace_head(opening.open(network), labels)
    writer_for(tuned, path)  # what cannot be written is told before the training, not after it
    training = steps_of(
        tuned,
        (paths, numbers),
        layers=layers,
        steps=steps,
        batch_size=batch_size,
        optimizer=lambda given: getattr(torch.optim, optimizer)(given, lr=rate),
        seed=seed,
    )
    step = None
    with _no_folder_of_the_compiler(), progress_bar(total=steps, unit="step") as bar:
        try:
            for step in training:
                bar.set_postfix(loss=f"{step.loss:.3f}", right=f"{step.accuracy:.0%}", refresh=False)
                bar.update()
        except KeyboardInterrupt:
            if step is None:
                raise
            interrupted(f"after {step.number} of {steps} steps; what was learned is kept")
    assert step is not None
    files = _save_with_sidecars(step.network, labels, path)
    facts = {"steps": step.number, "loss": step.loss, "accuracy": step.accuracy, "labels": labels}
    if as_json:
        print_json({"path": str(path), "files": [str(one) for one in files], **facts})
        return
    for one in files:
        click.echo(printable(one))
    explain(f"{step.number} steps; the last: loss {step.loss:.3f}, {step.accuracy:.0%} right of its pictures")


@contextmanager
def _no_folder_of_the_compiler() -> Iterator[None]:
    """Leave no folder for what torch compiles: it is made in the temporary one as an optimizer imports the compiler."""
    folder = cache_folder() / "compiled"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
    try:
        yield
    finally:
        with suppress(OSError):  # nothing was compiled, so it is empty
            folder.rmdir()


def _save_with_sidecars(tuned: Network, labels: Sequence[str], path: Path) -> list[Path]:
    """Write the network and beside it its labels and what it expects; return the files."""
    from convscope.network.input_sidecar import write_sidecar

    stem = path.name.partition(".")[0]
    files = [tuned.save(path), path.with_name(f"{stem}.labels.txt")]
    write_text("".join(f"{label}\n" for label in labels), files[1])
    if tuned.input_spec is not None:
        files.append(write_sidecar(tuned.input_spec, path.with_name(f"{stem}.json")))
    return files
