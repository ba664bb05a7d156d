"""Operations that change nothing: they refuse pictures of a size that the network was not opened for."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from convscope.errors import InputError, warn
from convscope.network.operations.aten import worked_out
from convscope.network.operations.checks import dimensions
from convscope.network.operations.registry import operation

ASSERTIONS = frozenset({"assert_shape", "assert_decisions", "assert_numbers"})
COMPARISONS: Mapping[str, Callable[..., bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


_OF_ONE_SIZE = (
    "the program was exported for {} alone: at another size the same steps run, and whether its code would do others "
    "there is not in the file. Export it with dynamic_shapes to know"
)


@operation(sees="first", relevance="passed", affine=True)
def assert_shape(
    input: Tensor, *, shape: Sequence[int] | None = None, batch: int | None = None, refuses: bool = True
) -> Tensor:
    """Return the input, which has to be of this shape but for the batch: a network that is another one at other sizes.

    With `batch` it has to be so many pictures. Raises InputError for any other; of another size there is only a warning
    where it does not refuse.
    """
    if batch is not None and input.shape[0] != batch:
        raise InputError(
            f"the network was opened for {batch} at a time, and its code fixes that: found {input.shape[0]}. Give it "
            f"{batch}, or let the code read x.shape[0], not a plain number or a loop over the pictures"
        )
    if shape is not None and tuple(input.shape[1:]) != tuple(shape):
        dimensions_now, opened = dimensions(input.shape[1:]), dimensions(shape)
        if not refuses:
            if not input.is_meta:
                warn(_OF_ONE_SIZE.format(opened))
            return input
        raise InputError(
            f"the network was opened for {opened} and is another one for {dimensions_now}: open it for that size"
        )
    return input


@operation(sees="first", relevance="passed", affine=True)
def assert_decisions(*inputs: Tensor, decisions: Sequence[Sequence[Any]]) -> Tensor:
    """Return the first input, where the network's code decides by the sizes of all as where it was opened.

    Each of the `decisions` is (symbol, left, right, outcome, line of code); ``"$0.2"`` is the size of axis 2 of the
    first input, ``("//", "$1.3", 2)`` arithmetic with one. Raises InputError where one comes out otherwise.

    >>> assert_decisions(torch.ones(1, 3, 8, 8), decisions=[(">", "$0.2", 5, True, "")]).shape
    torch.Size([1, 3, 8, 8])
    """
    for symbol, left, right, outcome, place in decisions:
        numbers = [_number(side, inputs) for side in (left, right)]
        compared = COMPARISONS[symbol](*numbers) if symbol in COMPARISONS else None
        if (_number((symbol, *numbers), ()) if compared is None else compared) != outcome:
            line = f" ({place})" if place else ""
            bare = (symbol, right) == ("+", 0)
            text = f"{numbers[0]:g}" if bare else f"{numbers[0]:g} {symbol} {numbers[1]:g}"
            raise InputError(
                f"the network was opened for another size, and its code decides otherwise at this one{line}: {text} "
                f"was {outcome} there. Open it for this size"
            )
    return inputs[0]


@operation(sees="first", relevance="passed", affine=True)
def assert_numbers(input: Tensor, *numbers: Tensor, expected: Sequence[float]) -> Tensor:
    """Return the input where `numbers`, made of sizes, are `expected`: a graph's branches and rounds hang on them.

    Raises InputError where they are others: at this size the network is another one.

    >>> assert_numbers(torch.ones(1, 3, 8, 8), torch.tensor([True]), expected=[1]).shape
    torch.Size([1, 3, 8, 8])
    """
    if any(one.is_meta for one in numbers):  # only the shape is asked for
        return input
    if [number for one in numbers for number in one.reshape(-1).tolist()] != list(expected):
        raise InputError(
            "the network was opened for another size, and takes another branch, other rounds or settings at this one: "
            "open it for this size"
        )
    return input


def _number(code: Any, inputs: Sequence[Tensor]) -> Any:
    """Return the number that an expression of sizes stands for; InputError for what is none."""
    if isinstance(code, int | float):
        return code
    try:
        if isinstance(code, str):
            place, _, axis = code.removeprefix("$").partition(".")
            return inputs[int(place)].shape[int(axis)]
        symbol, left, right = code
        return worked_out(symbol, [_number(side, inputs) for side in (left, right)])
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"{code!r} is no arithmetic with sizes ({type(error).__name__})") from error
