"""``convscope explore``: a page on which every unit of a network is one key press away, live."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from convscope.cli.options import Opening, network_options
from convscope.cli.pictures import pictures_named

if TYPE_CHECKING:
    from convscope.network.network import Network
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
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port; a free one by default.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Serve others too; they need the token printed."
)
@click.option("--token", help="What viewers from elsewhere must know; a random one by default.")
@click.option("--read-only", is_flag=True, help="Viewers look, and make no pictures.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
def explore(
    network: str,
    pictures: Sequence[str],
    opening: Opening,
    photographs: str | None,
    no_browser: bool,
    **serving: str | int | bool | None,
) -> None:
    """Open a page on which every unit of NETWORK answers live: to a PICTURE, a camera, a mask drawn on it.

    It runs on this machine and is reached from no other, unless --host says so. Ctrl-C ends it.
    """
    from convscope.web.server import serve
    from convscope.web.session import Permissions

    named = pictures_named(pictures)
    permissions = Permissions(bool(serving["read_only"]), str(serving["token"]) if serving["token"] else None)
    opened = opening.open(network)
    measured = None if photographs is None else _measured(opened, photographs)
    server = serve(
        opened,
        named,
        host=str(serving["host"]),
        port=int(serving["port"] or 0),
        permissions=permissions,
        photographs=measured,
    )
    click.echo(server.address)
    sys.stdout.flush()
    if not no_browser:
        webbrowser.open(server.address)
    try:
        server.wait()
    except KeyboardInterrupt:
        click.echo("the page is closed", err=True)
    finally:
        server.stop()


def _measured(network: Network, folder: str) -> Photographs:
    """Measure every unit on the pictures of a folder; what was measured before is kept."""
    from convscope.measuring.measure import measure
    from convscope.measuring.picture_list import list_pictures
    from convscope.web.session import Photographs

    listed = list_pictures(folder)
    return Photographs(listed, measure(network, listed))
