"""``convscope fine-tune``: teach a network the classes of a folder of pictures."""

from __future__ import annotations

import click

from convscope.cli.options import Opening, network_options, output_option
from convscope.cli.output import place, save_text


@click.command("fine-tune")
@click.argument("network")
@click.argument("folder")
@network_options
@click.option(
    "--layer", "layers", multiple=True, metavar="NAME", help="A layer that learns; the last by default."
)
@click.option("--steps", type=click.IntRange(1), default=100, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Pictures a step.")
@click.option("--optimizer", type=click.Choice(["Adam", "AdamW", "SGD"]), default="Adam", show_default=True)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), default=1e-3, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@output_option("The file, as .convscope or .caffemodel; tuned.convscope by default.")
def fine_tune(
    network: str,
    folder: str,
    opening: Opening,
    layers: tuple[str, ...],
    steps: int,
    batch_size: int,
    optimizer: str,
    learning_rate: float,
    seed: int,
    output: str | None,
) -> None:
    """Give NETWORK a new last layer for the classes of FOLDER (one folder of pictures a class) and train it.

    Ctrl-C keeps what has been learned. The labels and what the network expects are written beside the weights.
    """
    import torch
    from tqdm import tqdm

    from convscope.network.fine_tuning import fine_tune as steps_of
    from convscope.network.fine_tuning import image_folder
    from convscope.network.input_sidecar import write_sidecar
    from convscope.network.saving import require_savable
    from convscope.network.surgery import replace_head

    path = place(output, "tuned.convscope", beside=(".labels.txt", ".json"))
    paths, numbers, labels = image_folder(folder)
    tuned = replace_head(opening.open(network), labels)
    require_savable(tuned, path)  # what cannot be written is told before the training, not after it
    training = steps_of(
        tuned,
        (paths, numbers),
        layers=layers,
        steps=steps,
        batch_size=batch_size,
        optimizer=lambda given: getattr(torch.optim, optimizer)(given, lr=learning_rate),
        seed=seed,
    )
    with tqdm(total=steps, unit="step", disable=None) as bar:
        try:
            for step in training:
                tuned = step.network
                bar.set_postfix(loss=f"{step.loss:.3f}", right=f"{step.accuracy:.0%}", refresh=False)
                bar.update()
        except KeyboardInterrupt:
            click.echo(f"note: stopped after {bar.n} of {steps} steps; what was learned is kept", err=True)
    click.echo(tuned.save(path))
    stem = path.name.partition(".")[0]
    save_text("".join(f"{label}\n" for label in labels), path.with_name(f"{stem}.labels.txt"))
    if tuned.input_spec is not None:
        click.echo(write_sidecar(tuned.input_spec, path.with_name(f"{stem}.json")))
