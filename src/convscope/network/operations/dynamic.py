"""Operations whose parameters are worked out while the network runs, by another part of it.

De Brabandere et al., *Dynamic filter networks* (2016); Ha, Dai and Le, *HyperNetworks* (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from convscope.errors import InputError
from convscope.network.operations.checks import dimensions, whole_numbers
from convscope.network.operations.registry import OPERATIONS, Result, operation


@operation
def dynamic(
    *inputs: Tensor,
    kind: str,
    roles: Sequence[str],
    numbers: Sequence[str] = (),
    single: Sequence[str] = (),
    **others: Any,
) -> Result:
    """Return what the operation `kind` makes of the first inputs; the last ones are its parameters in these `roles`.

    Those whose role is among `numbers` are given as plain whole numbers: axes, say; those among `single` as one plain
    number. All `others` are `kind`'s own.

    >>> dynamic(torch.ones(1, 2, 5), torch.ones(3, 2, 3), kind="convolution", roles=("weight",)).shape
    torch.Size([1, 3, 3])
    """
    count = len(inputs) - len(roles)
    if count < 0:
        raise InputError(f"{kind} needs {len(roles)} inputs for its {', '.join(roles)}, found {len(inputs)}")
    parameters = dict(zip(roles, inputs[count:], strict=True))
    plain: dict[str, Any] = {
        role: whole_numbers(tensor, ()) for role, tensor in parameters.items() if role in numbers
    }
    plain |= {role: _number(role, parameters[role]) for role in single}
    return OPERATIONS[kind](*inputs[:count], **{**parameters, **plain}, **others)


def _number(role: str, tensor: Tensor) -> float:
    """Return the one number of a tensor, a whole one as such."""
    if tensor.numel() != 1:
        raise InputError(f"{role} is one number, found {dimensions(tensor.shape)}")
    if tensor.is_meta:
        raise NotImplementedError
    number = float(tensor.reshape(()).item())
    return int(number) if number.is_integer() else number
