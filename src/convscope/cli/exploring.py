"""``convscope explore``: a page on which every unit of a network is one key press away, live."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.options import Opening, json_option, network_options
from convscope.cli.pictures import pictures_named
from convscope.cli.result_paths import explain, hint, print_json
from convscope.cli.settings import settings

if TYPE_CHECKING:
    from convscope.network.network import Network
    from convscope.web.running import Running
    from convscope.web.server import Server
    from convscope.web.session import Photographs


@click.command()
@click.argument("network", default="builtin")
@click.argument("pictures", nargs=-1, metavar="[PICTURE]...")
@network_options
@click.option(
    "--photographs",
    metavar="FOLDER",
    help="Show what each unit finds in these pictures, too: all are measured first, once, and kept.",
)
@click.option(
    "--beside",
    metavar="NETWORK",
    help="Another network, to be shown next to it: of the same pictures, with cursors that follow each other.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; a free one by default.")
@click.option(
    "--host",
    metavar="NAME",
    default="127.0.0.1",
    show_default=True,
    help="Serve others too; they need the token printed.",
)
@click.option(
    "--token", metavar="WORD", help="What viewers from elsewhere must know; a random one by default."
)
@click.option("--read-only", is_flag=True, help="Viewers look, and make no pictures.")
@click.option(
    "--static",
    "atlas",
    metavar="FOLDER",
    help="Serve the atlas in a folder (convscope atlas), without any network.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@json_option
def explore(
    network: str,
    pictures: Sequence[str],
    opening: Opening,
    atlas: str | None,
    no_browser: bool,
    as_json: bool,
    **serving: Any,
) -> None:
    """Open a page on which every unit of NETWORK answers live: to a PICTURE, a camera, a mask drawn on it.

    Without a NETWORK it is the built-in one. The page runs on this machine and is reached from no other, unless
    --host says so. Ctrl-C ends it.
    """
    from convscope.web.server import serve, serve_atlas
    from convscope.web.session import Permissions

    where = {"host": serving["host"], "port": serving["port"]}
    server: Server | Running
    named: list[str] = []
    if atlas is not None:
        _require_atlas_alone(click.get_current_context())
        shows = f"the atlas in {atlas}"
        server = serve_atlas(atlas, **where, token=serving["token"])
    else:
        named = pictures_named(pictures)
        opened = opening.open(network)
        _remember(opened, network, opening)
        shows = opened.name
        photographs, beside = serving["photographs"], serving["beside"]
        measured = None if photographs is None else _photographs(opened, photographs)
        other = None if beside is None else opening.open(beside)
        permissions = Permissions(serving["read_only"], serving["token"] or None)
        server = serve(opened, named, **where, permissions=permissions, photographs=measured, beside=other)
    if as_json:
        print_json({"address": server.address, "shows": shows, "pictures": named})
    else:
        click.echo(server.address)
        explain(f"{shows}, on this machine{'' if atlas else ': every unit, live'}; Ctrl-C ends it")
    sys.stdout.flush()
    if not no_browser:
        webbrowser.open(server.address)
    try:
        server.wait()
    except KeyboardInterrupt:
        settings().told = True
        hint("the page is closed")
    finally:
        server.stop()


def _require_atlas_alone(context: click.Context) -> None:
    conflicts = [
        name
        for name in ("network", "pictures", "photographs", "beside")
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if conflicts:
        raise click.UsageError(f"--static serves an atlas alone, without {' and '.join(conflicts)}")


def _remember(opened: Network, network: str, opening: Opening) -> None:
    """Keep the command for the start screen, where a short one opens the same network."""
    from convscope.web.recent_networks import remember

    if not any((opening.preprocessing, opening.inputs, opening.units, opening.input_shape)):
        files = {name: getattr(opening, name) for name in ("weights", "labels", "architecture")}
        remember(opened.name, network, files)


def _photographs(network: Network, folder: str) -> Photographs:
    """Measure every unit on the pictures of a folder; what was measured before is kept."""
    from convscope.measuring.measure import measure
    from convscope.measuring.picture_list import list_pictures
    from convscope.web.session import Photographs

    listed = list_pictures(folder)
    return Photographs(listed, measure(network, listed))
