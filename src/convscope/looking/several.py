"""A look at one address, at several, or at those that tell most."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, overload

from convscope.address import Address
from convscope.argument_errors import arguments_in_words
from convscope.network.network import Network
from convscope.pictures.picture import Picture, Pictures
from convscope.progress import bars, progress_bar


class LookFunction(Protocol):
    """Shows a picture's way through a network: an address gives a Picture, several give Pictures, a row in Jupyter."""

    @overload
    def __call__(
        self, network: Network, picture: Any, address: str | Address, *, progress: bool = ..., **look: Any
    ) -> Picture: ...

    @overload
    def __call__(
        self,
        network: Network,
        picture: Any,
        address: list[str] | tuple[str, ...] | None = ...,
        *,
        progress: bool = ...,
        **look: Any,
    ) -> Pictures: ...


class FilterLook(Protocol):
    """Shows what layers learned: an address, or none, gives a Picture, several give Pictures."""

    @overload
    def __call__(
        self, network: Network, address: str | Address | None = ..., *, progress: bool = ..., **look: Any
    ) -> Picture: ...

    @overload
    def __call__(
        self, network: Network, address: list[str] | tuple[str, ...], *, progress: bool = ..., **look: Any
    ) -> Pictures: ...


def require_addresses(network: Network, addresses: Iterable[str | Address]) -> None:
    """Raise UnknownLayer for the first address that is not there, before any work on the others."""
    for address in addresses:
        network.resolve(address)


def several(chosen: Callable[[Network], Sequence[str]]) -> Callable[[Callable[..., Picture]], LookFunction]:
    """Let a look at one address take several; without one it looks at those that are `chosen`.

    A bar shows how many are made, where that takes long and ``progress`` is not False.
    """
    return lambda look: _at_each(look, chosen)


def several_filters(chosen: Callable[[Network], str]) -> Callable[[Callable[..., Picture]], FilterLook]:
    """Let a look at the filters of one layer take several layers; without one it looks at the one `chosen`."""
    return lambda look: _at_each(look, chosen)


def _at_each(look: Callable[..., Picture], chosen: Callable[[Network], str | Sequence[str]]) -> Any:
    signature = inspect.signature(look)

    @functools.wraps(look)
    def at_each(*positional: Any, progress: bool = True, **keywords: Any) -> Any:
        arguments = signature.bind_partial(*positional, **keywords)
        address = arguments.arguments.get("address")
        if address is None and "network" in arguments.arguments:
            address = chosen(arguments.arguments["network"])
        if address is None or isinstance(address, (str, Address)):
            arguments.arguments |= {} if address is None else {"address": address}
            return look(*arguments.args, **arguments.kwargs)
        require_addresses(arguments.arguments["network"], address)
        with bars(progress):
            shown = progress_bar(iterable=address, unit="picture")
            return Pictures(look(**arguments.arguments | {"address": one}) for one in shown)

    return arguments_in_words(at_each)
