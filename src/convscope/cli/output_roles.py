"""What ``convscope classify`` says of a network that is no classifier: each output as what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from convscope.cli.result_paths import printable_lines

if TYPE_CHECKING:
    from convscope.network.network import Network
    from convscope.pictures.photograph import InputLike
    from convscope.pictures.picture import Picture
    from convscope.presentation.style import ThemeName


def say_outputs(network: Network, photograph: InputLike, *, top: int, quiet: bool) -> dict[str, Any]:
    """Print what each output says of a picture, unless `quiet`, and return it as ``--json`` has it."""
    from convscope.looking.showing import words_of

    words = {output.name: words_of(network, photograph, output, top=top) for output in network.outputs}
    if not quiet:
        said: list[list[str]] = []
        for (
            heading,
            *lines,
        ) in words.values():  # a detector's outputs, scores and corners, tell of the same boxes
            click.echo(printable_lines("\n".join([heading, *(lines if lines not in said else ())])))
            said.append(lines)
    outputs = [
        {"name": output.name, "role": output.role, "shape": output.shape, "says": words[output.name][1:]}
        for output in network.outputs
    ]
    return {"predictions": [], "outputs": outputs}


def draw_output(network: Network, photograph: InputLike, *, theme: ThemeName) -> Picture:
    """Return a picture of the output that tells most, shown as what it is."""
    from convscope.looking.showing import show_output

    return show_output(network, photograph, theme=theme)
