"""What layers answered to the pictures that viewers look at, kept for the next question about them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from threading import Lock

from torch import Tensor

from convscope.errors import ConvscopeError
from convscope.network.network import Network
from convscope.pictures.photograph import Photograph

MOST_BYTES = 128 * 1024 * 1024  # of numbers; what was not asked for longest goes
LARGEST = MOST_BYTES // 8  # bytes of one answer that is kept
NEAR = 2  # layers to both sides of one that is asked for: one run gives them, too


class AnswerStore:
    """Layers' answers by what they were given: a text that names the picture, and what units were set to.

    >>> store = AnswerStore()
    >>> store.of(network, photograph, ["mixed4a"], "0c1f7bd2a9e86b5d")
    {'mixed4a': tensor(...)}
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Tensor] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def known(self, layers: Iterable[str], given: str) -> dict[str, Tensor]:
        """Return the answers that are known, of these layers."""
        with self._lock:
            known = {layer: self._kept[given, layer] for layer in layers if (given, layer) in self._kept}
            for layer in known:
                self._kept.move_to_end((given, layer))
            return known

    def of(
        self, network: Network, photograph: Photograph, layers: Sequence[str], given: str
    ) -> Mapping[str, Tensor]:
        """Return what layers answer, known or by one run, which gives the layers near the first, too."""
        known = self.known(layers, given)
        return known if len(known) == len(set(layers)) else self._run(network, photograph, layers, given)

    def look_ahead(self, network: Network, photograph: Photograph, layer: str, given: str) -> None:
        """Run the network where a layer beside this one is not known: a step to it will wait for nothing."""
        beside = _near(network, layer, 1)
        if len(self.known(beside, given)) < len(beside):
            self._run(network, photograph, [layer], given)

    def _run(
        self, network: Network, photograph: Photograph, layers: Sequence[str], given: str
    ) -> Mapping[str, Tensor]:
        input = network.preprocess(photograph)
        try:
            values = network.activations(
                input, list(dict.fromkeys([*layers, *_near(network, layers[0], NEAR)]))
            )
        except ConvscopeError:  # it may be a layer beside them that fails
            values = network.activations(input, list(layers))
        self._add(values, given)
        return values

    def _add(self, answers: Mapping[str, Tensor], given: str) -> None:
        """Keep answers, but for large ones."""
        with self._lock:
            for layer, answer in answers.items():
                if answer.nbytes > LARGEST or (given, layer) in self._kept:
                    continue
                whole = answer.untyped_storage().nbytes() == answer.nbytes
                self._kept[given, layer] = answer if whole else answer.clone()  # a part would keep all of it
                self._bytes += answer.nbytes
            while self._bytes > MOST_BYTES:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes


def _near(network: Network, layer: str, count: int) -> list[str]:
    """Return so many layers to each side of one that have channels and are small enough to be kept."""
    names = list(network.layers)
    at = names.index(layer) if layer in network.layers else 0
    shapes = {name: network.layers[name].shape for name in names[max(0, at - count) : at + count + 1]}
    return [name for name, shape in shapes.items() if shape and len(shape) > 1 and prod(shape) <= LARGEST / 4]
