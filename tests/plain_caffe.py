"""Caffe's arithmetic written down plainly: blobs in a dictionary, layers one by one, in float64, in place.

An oracle that shares nothing with convscope: it reads protobuf's own messages and runs every layer as the Caffe
sources say, with loops where torch has another idea.
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Weights = dict[str, list[np.ndarray]]


class PlainCaffe:
    """Runs a V2 net; `weights` are drawn, seeded, in the shapes the layers turn out to need.

    `blobs` are what is left of every blob, `versions` what each layer wrote: (layer, blob) to tensor.
    """

    def __init__(self, net: Any, seed: int = 0) -> None:
        self.net, self.weights, self.blobs, self.versions = net, {}, {}, {}
        self._random, self._shared = np.random.default_rng(seed), {}

    def run(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        self.blobs, self.versions = {name: value.double() for name, value in inputs.items()}, {}
        for layer in self.net.layer:
            if layer.type in ("Input", "Data"):
                continue
            made = getattr(self, "_" + layer.type.lower())(layer, [self.blobs[name] for name in layer.bottom])
            for top, value in zip(layer.top, made if isinstance(made, tuple | list) else [made], strict=True):
                self.blobs[top] = self.versions[layer.name, top] = value
        return self.blobs

    def _drawn(self, layer: Any, *shapes: tuple[int, ...]) -> list[Tensor]:
        if layer.name not in self.weights:
            made = []
            for index, shape in enumerate(shapes):
                name = layer.param[index].name if index < len(layer.param) else ""
                spread = np.sqrt(2 / max(1, prod(shape[1:]))) if len(shape) > 1 else 0.3
                values = (self._random.standard_normal(shape) * spread).astype(np.float32)
                if layer.type == "BatchNorm":
                    values = np.abs(values) + np.float32(0.5) if index else values
                if layer.type == "Scale" and index == 0:
                    values = values + np.float32(1)
                made.append(self._shared.setdefault(name, values) if name else values)
            self.weights[layer.name] = made
        return [torch.from_numpy(np.asarray(values, np.float64)) for values in self.weights[layer.name]]

    @staticmethod
    def _window(p: Any) -> tuple[tuple[int, ...], ...]:
        def pair(name: str, field: str, default: int) -> tuple[int, int]:
            if p.HasField(f"{name}_h"):
                return getattr(p, f"{name}_h"), getattr(p, f"{name}_w")
            values = list(getattr(p, field)) or [default]
            return (values * 2)[:2] if len(values) == 1 else tuple(values)

        dilation = (list(p.dilation) or [1]) * (1 if len(p.dilation) == 2 else 2)
        kernel, stride = pair("kernel", "kernel_size", 0), pair("stride", "stride", 1)
        return tuple(kernel), tuple(stride), tuple(pair("pad", "pad", 0)), tuple(dilation[:2])

    def _convolution(self, layer: Any, bottoms: list[Tensor]) -> list[Tensor]:
        p = layer.convolution_param
        kernel, stride, pad, dilation = self._window(p)
        shapes = [(p.num_output, bottoms[0].shape[1] // p.group, *kernel), (p.num_output,)]
        weight, bias = (*self._drawn(layer, *shapes[: 1 + p.bias_term]), None)[:2]
        return [F.conv2d(x, weight, bias, stride, pad, dilation, p.group) for x in bottoms]

    def _deconvolution(self, layer: Any, bottoms: list[Tensor]) -> list[Tensor]:
        p = layer.convolution_param
        kernel, stride, pad, dilation = self._window(p)
        channels = bottoms[0].shape[1]
        shapes = [(channels, p.num_output // p.group, *kernel), (p.num_output,)]
        weight, bias = (*self._drawn(layer, *shapes[: 1 + p.bias_term]), None)[:2]
        return [F.conv_transpose2d(x, weight, bias, stride, pad, 0, p.group, dilation) for x in bottoms]

    def _pooling(self, layer: Any, bottoms: list[Tensor]) -> list[Tensor]:
        p, x = layer.pooling_param, bottoms[0]
        size = x.shape[2:]
        kernel, stride, pad = (
            (getattr(p, f"{a}_h"), getattr(p, f"{a}_w")) if p.HasField(f"{a}_h") else (getattr(p, b),) * 2
            for a, b in (("kernel", "kernel_size"), ("stride", "stride"), ("pad", "pad"))
        )
        if p.global_pooling:
            kernel = size
        counts = []
        for n, k, s, q in zip(size, kernel, stride, pad, strict=True):
            room = (n + 2 * q - k) / s
            count = (int(room) if p.round_mode == 1 else ceil(room)) + 1
            if any(pad) and (count - 1) * s >= n + q:
                count -= 1
            counts.append(count)
        output, mask = x.new_empty((*x.shape[:2], *counts)), x.new_empty((*x.shape[:2], *counts))
        for i in range(counts[0]):
            for j in range(counts[1]):
                top, left = i * stride[0] - pad[0], j * stride[1] - pad[1]
                bottom, right = (
                    min(top + kernel[0], size[0] + pad[0]),
                    min(left + kernel[1], size[1] + pad[1]),
                )
                area = (bottom - top) * (right - left)
                top, left, bottom, right = (
                    max(top, 0),
                    max(left, 0),
                    min(bottom, size[0]),
                    min(right, size[1]),
                )
                window = x[:, :, top:bottom, left:right].flatten(2)
                if p.pool == 1:
                    output[:, :, i, j] = window.sum(2) / area
                elif window.shape[2] == 0:
                    output[:, :, i, j], mask[:, :, i, j] = -3.4028234663852886e38, -1
                else:
                    output[:, :, i, j], at = window.max(2)
                    width = right - left
                    mask[:, :, i, j] = ((at // width + top) * size[1] + at % width + left).double()
        return [output, mask][: len(layer.top)]

    def _innerproduct(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, x = layer.inner_product_param, bottoms[0]
        axis = p.axis % x.dim()
        rows = x.reshape(*x.shape[:axis], -1)
        shape = (p.num_output, rows.shape[-1])
        blobs = self._drawn(
            layer, *[shape[::-1] if p.transpose else shape, (p.num_output,)][: 1 + p.bias_term]
        )
        product = rows @ (blobs[0] if p.transpose else blobs[0].T)
        return product + blobs[1] if p.bias_term else product

    def _lrn(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, x = layer.lrn_param, bottoms[0]
        reach = p.local_size // 2
        if p.norm_region == 1:
            padded = F.pad(x * x, [reach] * 4)
            rows = sum(padded[:, :, i : i + x.shape[2]] for i in range(p.local_size))
            total = sum(rows[:, :, :, j : j + x.shape[3]] for j in range(p.local_size))
            return x * (1 + p.alpha / p.local_size**2 * total) ** -p.beta
        channels = range(x.shape[1])
        squares = [(x * x)[:, max(0, c - reach) : c + reach + 1].sum(1) for c in channels]
        return x * (p.k + p.alpha / p.local_size * torch.stack(squares, 1)) ** -p.beta

    def _batchnorm(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, x = layer.batch_norm_param, bottoms[0]
        mean, variance, factor = self._drawn(layer, (x.shape[1],), (x.shape[1],), (1,))
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        return (x - (mean / factor).view(shape)) / ((variance / factor).view(shape) + p.eps).sqrt()

    def _scale(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, x = layer.scale_param, bottoms[0]
        axis = p.axis % x.dim()
        if len(bottoms) > 1:
            shape, blobs = tuple(bottoms[1].shape), [bottoms[1]]
            blobs += self._drawn(layer, shape) if p.bias_term else []
        else:
            shape = tuple(x.shape[axis:] if p.num_axes == -1 else x.shape[axis : axis + p.num_axes])
            blobs = self._drawn(layer, *[shape] * (1 + p.bias_term))
        blobs = [b.view(*b.shape, *(1 for _ in range(x.dim() - axis - b.dim()))) for b in blobs]
        return x * blobs[0] + blobs[1] if p.bias_term else x * blobs[0]

    def _bias(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        x = bottoms[0]
        (b,) = bottoms[1:] or self._drawn(layer, (x.shape[1],))
        return x + b.view(*b.shape, *(1 for _ in range(x.dim() - layer.bias_param.axis - b.dim())))

    def _prelu(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        x = bottoms[0]
        (slope,) = self._drawn(layer, () if layer.prelu_param.channel_shared else (x.shape[1],))
        return torch.where(x > 0, x, x * slope.view(-1, *(1 for _ in x.shape[2:])))

    def _eltwise(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p = layer.eltwise_param
        if p.operation == 0:
            return torch.stack(bottoms).prod(0)
        if p.operation == 2:
            return torch.stack(bottoms).amax(0)
        return sum(c * x for c, x in zip(p.coeff or [1.0] * len(bottoms), bottoms, strict=True))

    def _relu(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        return torch.where(bottoms[0] > 0, bottoms[0], bottoms[0] * layer.relu_param.negative_slope)

    def _elu(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        return torch.where(bottoms[0] > 0, bottoms[0], layer.elu_param.alpha * (bottoms[0].exp() - 1))

    def _power(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p = layer.power_param
        return (p.shift + p.scale * bottoms[0]) ** p.power

    def _mvn(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, x = layer.mvn_param, bottoms[0]
        axes = (1, 2, 3) if p.across_channels else (2, 3)
        x = x - x.mean(axes, keepdim=True)
        return x / ((x * x).mean(axes, keepdim=True).sqrt() + p.eps) if p.normalize_variance else x

    def _slice(self, layer: Any, bottoms: list[Tensor]) -> list[Tensor]:
        p, x = layer.slice_param, bottoms[0]
        axis = p.slice_dim if p.HasField("slice_dim") else p.axis % x.dim()
        count = len(layer.top)
        ends = list(p.slice_point) or [x.shape[axis] // count * at for at in range(1, count)]
        return torch.tensor_split(x, ends, axis)

    def _concat(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p = layer.concat_param
        return torch.cat(bottoms, p.concat_dim if p.HasField("concat_dim") else p.axis)

    def _reshape(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, x = layer.reshape_param, bottoms[0]
        start = p.axis if p.axis >= 0 else p.axis + x.dim() + 1
        end = x.dim() if p.num_axes == -1 else start + p.num_axes
        middle = [size or x.shape[start + at] for at, size in enumerate(p.shape.dim)]
        return x.reshape(*x.shape[:start], *middle, *x.shape[end:])

    def _crop(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, (x, like) = layer.crop_param, bottoms
        axis = p.axis % x.dim()
        for index in range(axis, x.dim()):
            offset = p.offset[min(index - axis, len(p.offset) - 1)] if p.offset else 0
            x = x.narrow(index, offset, like.shape[index])
        return x

    def _reduction(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, x = layer.reduction_param, bottoms[0]
        x = x.flatten(p.axis % x.dim()) if x.dim() else x
        made = {1: x, 2: x.abs(), 3: x * x, 4: x / x.shape[-1]}[p.operation]
        return p.coeff * made.sum(-1)

    def _argmax(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, x = layer.argmax_param, bottoms[0]
        if p.HasField("axis"):
            values, places = x.topk(p.top_k, p.axis)
            return values if p.out_max_val else places.double()
        values, places = x.flatten(1).topk(p.top_k)
        return torch.stack([places.double(), values][: 1 + p.out_max_val], 1).reshape(len(x), -1, p.top_k)[
            (..., *[None] * (x.dim() - 3))
        ]

    def _tile(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        return torch.cat([bottoms[0]] * layer.tile_param.tiles, layer.tile_param.axis)

    def _embed(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p = layer.embed_param
        blobs = self._drawn(layer, *[(p.input_dim, p.num_output), (p.num_output,)][: 1 + p.bias_term])
        rows = blobs[0][bottoms[0].long()]
        return rows + blobs[1] if p.bias_term else rows

    def _lstm(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        h = layer.recurrent_param.num_output
        (x, goes_on), static = bottoms[:2], bottoms[2:]
        shapes = [(4 * h, x[0, 0].numel()), (4 * h,), *[(4 * h, s[0].numel()) for s in static], (4 * h, h)]
        blobs = self._drawn(layer, *shapes)
        hidden = cell = x.new_zeros(x.shape[1], h)
        said = []
        for now, c in zip(x, goes_on[..., None], strict=True):
            gates = now.flatten(1) @ blobs[0].T + blobs[1] + (c * hidden) @ blobs[-1].T
            for s in static:
                gates = gates + s.flatten(1) @ blobs[2].T
            i, f, o = (1 / (1 + (-gates[:, at * h : (at + 1) * h]).exp()) for at in range(3))
            cell = c * f * cell + i * torch.tanh(gates[:, 3 * h :])
            hidden = o * torch.tanh(cell)
            said.append(hidden)
        return torch.stack(said)

    def _softmax(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        powers = (bottoms[0] - bottoms[0].amax(layer.softmax_param.axis, keepdim=True)).exp()
        return powers / powers.sum(layer.softmax_param.axis, keepdim=True)

    def _flatten(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        p, x = layer.flatten_param, bottoms[0]
        end = p.end_axis % x.dim()
        return x.reshape(*x.shape[: p.axis], -1, *x.shape[end + 1 :])

    def _dropout(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        return bottoms[0]

    def _sigmoid(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        return 1 / (1 + (-bottoms[0]).exp())

    def _tanh(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        return torch.tanh(bottoms[0])

    def _absval(self, layer: Any, bottoms: list[Tensor]) -> Tensor:
        return bottoms[0].abs()

    def _silence(self, layer: Any, bottoms: list[Tensor]) -> list[Tensor]:
        return []
