"""What is given for a picture: a picture, or a tensor that is the network's input already."""

from __future__ import annotations

import torch
from torch import Tensor

from convscope.network.network import Network
from convscope.network.parameters import Shape
from convscope.pictures.photograph import InputLike


def input_of(network: Network, picture: InputLike) -> Tensor:
    """Return a picture as the network expects it, and an input tensor as it is, without its gradients.

    A tensor may lack the axis of the batch, and of the only channel too; one of half precision counts as the float32
    that pictures become.

    >>> input_of(network, network.preprocess("cat.jpg")[0]).shape
    torch.Size([1, 3, 224, 224])
    """
    if not isinstance(picture, Tensor):
        return network.preprocess(picture)
    expected = next(iter(network.graph.inputs.values()), ())
    whole = as_batch(picture.detach(), expected, -1 if channels_last(network) else 1)
    return whole.float() if whole.dtype in (torch.float16, torch.bfloat16) else whole


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
