"""What is given for a picture: a picture, or a tensor that is the network's input already."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import InputError
from convscope.network.network import Network
from convscope.network.parameters import Shape
from convscope.pictures.photograph import InputLike

_CENTER = 4  # of ten crops, in the order of caffe.io.oversample
_Batch = TypeVar("_Batch", Tensor, NDArray[Any])


def input_of(network: Network, picture: InputLike) -> Tensor:
    """Return a picture as the network expects it, and an input tensor as it is, without its gradients.

    A tensor may lack the axis of the batch, and of the only channel too; one of half precision counts as the float32
    that pictures become.

    For a network that takes no pictures but signals, say, a NumPy array is an input too, and a ``.npy`` file holds one.

    >>> input_of(network, network.preprocess("cat.jpg")[0]).shape
    torch.Size([1, 3, 224, 224])
    """
    if not isinstance(picture, Tensor) and isinstance(numbers := network.opened_input(picture), Tensor):
        picture = numbers
    if not isinstance(picture, Tensor):
        return network.preprocess(picture)
    expected = next(iter(network.graph.inputs.values()), ())
    whole = as_batch(picture.detach(), expected, -1 if channels_last(network) else 1)
    return whole.float() if whole.dtype in (torch.float16, torch.bfloat16) else whole


def one_input(network: Network, picture: InputLike) -> Tensor:
    """Return what `input_of` does, of a single picture: one input, or its ten crops; InputError for any other."""
    input, spec = input_of(network, picture), network.input_spec
    crops = 1 if spec is None else spec.crops
    if input.dim() > 1 and len(input) not in (1, crops):
        raise InputError(
            f"an input of {tuple(input.shape)} holds {len(input)} pictures, and classes are those of one: give one "
            f"at a time, input[:1]{', or its ten crops' * (crops == 10)}"
        )
    return input


def center_input(network: Network, picture: InputLike) -> Tensor:
    """Return what `one_input` does, of ten crops the center one: a batch of one."""
    return center_of_ten(network, one_input(network, picture))


def center_of_ten(network: Network, batch: _Batch) -> _Batch:
    """Return the center one where a batch is a network's ten crops of a picture, as a batch of one; else the batch."""
    spec = network.input_spec
    ten = spec is not None and spec.crops == 10 and len(batch) == 10
    return batch[_CENTER : _CENTER + 1] if ten else batch


def as_batch(tensor: Tensor, expected: Shape, channel_axis: int) -> Tensor:
    """Return a single picture's tensor with the axes that it lacks; another one is returned as it is."""
    if len(expected) != 4 or tensor.dim() not in (2, 3):
        return tensor
    gray = expected[channel_axis] == 1
    if tensor.dim() == 2:
        return tensor[None].unsqueeze(channel_axis) if gray else tensor
    if tensor.shape[channel_axis - 1 if channel_axis > 0 else channel_axis] == expected[channel_axis]:
        return tensor[None]
    return tensor.unsqueeze(channel_axis) if gray else tensor  # gray pictures, one behind the other


def channels_last(network: Network) -> bool:
    """Tell whether a network's input has its channels on the last axis."""
    spec = network.input_spec
    # An ONNX network may expect NHWC and turn it over itself, so the graph's own order does not tell.
    return network.graph.channels_last if spec is None else spec.layout == "NHWC"
