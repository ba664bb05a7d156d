"""What the Tab key offers: names of networks, layers, classes and samples, and files everywhere else.

Click writes the shell's half, but for bash's: see docs/command-line.md.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    split_arg_string,
)

from convscope.files import is_there, user_path

if TYPE_CHECKING:
    from convscope.network.network import Network

_OPENING = ("weights", "architecture", "labels", "input_shape")


_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' completion type value
    for completion in $(env COMP_WORDS="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        %(complete_var)s=bash_complete $1); do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == dir ]]; then
            compopt -o dirnames
        else
            COMPREPLY+=("$value")
        fi
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class BashWithColons(BashComplete):
    """Bash's half: it takes a colon for the end of a word, and ours have some, ``zoo:vgg16`` and ``mixed4a:42``.

    So the line is split here, and of what is offered bash gets only what comes after the last colon, its spaces quoted.
    """

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor's, and the one that is begun there."""
        *words, begun = split_arg_string(os.environ["COMP_WORDS"] + "_")
        return words[1:], begun[:-1]

    def format_completion(self, item: CompletionItem) -> str:  # type: ignore[type-arg,unused-ignore]
        """Return what a completion is and what bash puts in the place of the word as bash sees it."""
        line = os.environ["COMP_WORDS"]
        value = str(item.value)
        if item.type == "plain" and not any(line.count(quote) % 2 for quote in "\"'"):
            _, begun = self.get_completion_args()
            before, colon, _ = begun.rpartition(":")
            if colon in os.environ.get("COMP_WORDBREAKS", ":"):
                value = value.removeprefix(before.rpartition("=")[2] + colon)
            value = re.sub(r"([^\w:./@%+=,-])", r"\\\1", value)
        return f"{item.type},{value}"


add_completion_class(BashWithColons)


class Completed(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Text whose beginning the Tab key completes; `possible` says what it can be where it is missing."""

    name = "text"

    def __init__(
        self, offered: Callable[[click.Context, str], Iterator[str]], possible: str = "", *, files: bool
    ) -> None:
        self.offered, self.possible, self.files = offered, possible, files

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None = None) -> str | None:
        """Return what could be given, behind what is missing."""
        return self.possible or None

    def shell_complete(
        self, context: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin so, and where files are possible that the shell offers them."""
        files = [CompletionItem(incomplete, type="file")] * self.files
        return files + [CompletionItem(name) for name in self.offered(context, incomplete)]


def offer(command: click.Command) -> None:
    """Give a command's arguments and options what Tab offers there."""
    for parameter in command.params:
        if isinstance(parameter.type, type(click.STRING)) and parameter.name in _OFFERED:
            parameter.type = _OFFERED[parameter.name]


def _networks(_: click.Context, incomplete: str) -> Iterator[str]:
    from convscope.formats.zoo.catalog import CATALOG

    for name in ("builtin", *(f"zoo:{name}" for name in CATALOG), "torchvision:", "timm:", "keras:"):
        if name.startswith(incomplete):
            yield name


def _pictures(_: click.Context, incomplete: str) -> Iterator[str]:
    from convscope.pictures.photograph import SAMPLES

    yield from (name for name in SAMPLES if name.startswith(incomplete))


def _devices(_: click.Context, incomplete: str) -> Iterator[str]:
    yield from (name for name in ("auto", "cpu", "cuda", "mps") if name.startswith(incomplete))


def _nothing(_: click.Context, __: str) -> Iterator[str]:
    yield from ()


def _addresses(context: click.Context, incomplete: str) -> Iterator[str]:
    """Yield the layers that begin so; behind a layer of classes and ``:`` their labels."""
    network = _network_of(context)
    if network is None:
        return
    layer, colon, label = incomplete.rpartition(":")
    if colon and layer in network.layers:
        labels = network.labels or ()
        yield from (f"{layer}:{name}" for name in labels if name.startswith(label))
    yield from (name for name in network.layers if name.startswith(incomplete))


def _targets(context: click.Context, incomplete: str) -> Iterator[str]:
    network = _network_of(context)
    if network is not None:
        yield from (label for label in network.labels or () if label.startswith(incomplete))
        yield from _addresses(context, incomplete)


def _network_of(context: click.Context) -> Network | None:
    """Open the network that stands in the line; what fails, or would have to be downloaded, offers nothing."""
    from convscope.formats.opening import open_network

    network: Any = context.params.get("network")
    # Behind an option that waits for its value click has parsed nothing: then the line itself is looked at.
    words = [network] if network else split_arg_string(os.environ.get("COMP_WORDS", ""))[2:]
    source = next((word for word in words if word == "builtin" or is_there(user_path(word))), None)
    if source is None:
        return None
    options = {name: context.params[name] for name in _OPENING if context.params.get(name)}
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_network(source, **options)
    return None


_FILES = Completed(_nothing, files=True)
_ADDRESSES = Completed(
    _addresses, "Give a layer, conv1, or a channel of it, conv1:42: convscope layers lists them", files=False
)
_PICTURES = Completed(
    _pictures, "Give a picture's file, a folder of them, or a sample: coffee, chelsea, astronaut", files=True
)
_MADE = Completed(_pictures, "Give pictures that convscope made", files=True)
_NETWORKS_IN_WORDS = "Give a network's file, its folder, or a name: builtin is always there"
_OFFERED = {
    **dict.fromkeys(("network", "beside"), Completed(_networks, _NETWORKS_IN_WORDS, files=True)),
    **dict.fromkeys(("picture", "pictures", "contents", "guide", "mask", "start"), _PICTURES),
    "made": _MADE,
    **dict.fromkeys(
        ("addresses", "layer", "layers", "content_layers", "style_layers", "through", "units"), _ADDRESSES
    ),
    **dict.fromkeys(("target", "targets"), Completed(_targets, files=False)),
    "device": Completed(_devices, files=False),
    **dict.fromkeys(
        ("style", "styles"),
        Completed(_pictures, "Give the picture in whose style it is to be: --style painting.jpg", files=True),
    ),
    **dict.fromkeys(
        (
            "output",
            "weights",
            "labels",
            "folder",
            "frames",
            "film",
            "photographs",
            "regions",
            "architecture",
            "atlas",
        ),
        _FILES,
    ),
}
