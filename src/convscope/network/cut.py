"""Where a network is cut: layers that cannot be computed here, and those that need them. The rest works as ever.

One unknown layer never closes a whole network. Whoever builds a graph keeps a ``dict[str, CutLayer]`` of values:

- A layer that cannot be translated (its format raises UnsupportedLayer) puts a `CutLayer` with that reason under the
  name of each value it would have made, instead of an operation.
- A layer that reads such a value gets its own from `cut_with`, and nothing is made of it.
- At the end the dict becomes `Graph.cut`, and one ConvscopeWarning says `note_of_cut`. Where nothing is left that
  computes, there is no network: raise UnsupportedLayer with that note (`require_uncut`).

Values that only cut layers read are outputs of the graph. Asking for a cut value is an error that says why
(`Network.resolve`), and `layer_table` lists them as cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from convscope.errors import UnsupportedLayer

_MOST_NAMED = 3


@dataclass(frozen=True)
class CutLayer:
    """A layer that is not computed: its own name and type, and a sentence that says why.

    `root` is the name of the layer at which the network was cut, where that is another one, which this one needs.
    """

    name: str
    type_name: str
    reason: str
    root: str = ""

    @property
    def sentence(self) -> str:
        """Why it is not there, for whoever asks for it."""
        behind = f", because it needs {self.root!r}" if self.root else ""
        return f"{self.name!r} ({self.type_name}) is cut off{behind}: {self.reason}"


def cut_with(
    cut: Mapping[str, CutLayer], inputs: Iterable[str], name: str, type_name: str
) -> CutLayer | None:
    """Return what a layer becomes that reads a cut value; None for one whose inputs are all computed.

    >>> cut_with({"rois": CutLayer("proposal", "Python", "it runs code")}, ["conv5", "rois"], "pool5", "ROIPooling")
    CutLayer(name='pool5', type_name='ROIPooling', reason='it runs code', root='proposal')
    """
    for value in inputs:
        if reason := cut.get(value):
            return replace(reason, name=name, type_name=type_name, root=reason.root or reason.name)
    return None


def note_of_cut(cut: Mapping[str, CutLayer]) -> str:
    """Say in one line what was cut and why: a reason for each type of layer, and how many layers need them."""
    layers = dict.fromkeys(cut.values())
    roots = [layer for layer in layers if not layer.root]
    first = {layer.type_name: layer for layer in reversed(roots)}
    reasons = [layer.reason.rstrip(".") for layer in reversed(first.values())]
    words = "; ".join(reasons[:_MOST_NAMED])
    if len(reasons) > _MOST_NAMED:
        words += f"; and {len(reasons) - _MOST_NAMED} further kinds"
    behind = [layer.name for layer in layers if layer.root]
    also = f" {_few([layer.name for layer in roots])} cut off"
    if behind:
        also += f", and so {_few(behind)} behind"
    return f"{words}.{also}; everything else works"


def require_uncut(cut: Mapping[str, CutLayer], remaining: int) -> None:
    """UnsupportedLayer where layers were cut and none of the others remains."""
    if cut and not remaining:
        layer = next(layer for layer in cut.values() if not layer.root)
        raise UnsupportedLayer(layer.reason)


def _few(names: list[str]) -> str:
    words = ", ".join(map(repr, names[:_MOST_NAMED]))
    more = len(names) - _MOST_NAMED
    return (f"{words} and {more} more" if more > 0 else words) + (" are" if len(names) > 1 else " is")
