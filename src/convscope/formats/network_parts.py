"""What a format's opener gives back: plain data, of which `open_network` makes the Network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convscope.network.graph import Graph
from convscope.network.input_spec import InputSpec
from convscope.network.origin import Origin


@dataclass(frozen=True)
class NetworkParts:
    """A network as it was read: its graph, where it came from, and how a picture becomes its input.

    `labels` are those the file itself has for the classes. Without them `label_lists` are known ones that the classes
    may have: the first list that is as long as there are classes is theirs.
    """

    graph: Graph
    origin: Origin
    input_spec: InputSpec | None = None
    labels: Sequence[str] | None = None
    label_lists: Sequence[Sequence[str]] = ()
