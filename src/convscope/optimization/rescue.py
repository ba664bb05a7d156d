"""No gray squares: a picture whose unit gets no gradient is given one by other means, each picture on its own.

First the gradient is redirected through the ReLUs that block it (lucid's remedy, see
`convscope.network.operations.redirected_relu`). A unit that still sleeps after some steps goes on from a photograph,
the one of a few that rouses it most. What nothing rouses is given up, and its verdict says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from convscope.network.graph import Operation
from convscope.network.network import Network
from convscope.network.operations.redirected_relu import redirected_clip
from convscope.network.rewriting import is_relu, rewritten
from convscope.optimization.objective_batch import ObjectiveBatch
from convscope.pictures.photograph import SAMPLES, read_picture
from convscope.pictures.resizing import resized

PATIENCE = 32  # steps without a gradient before a photograph is tried, and again before the unit is given up


@dataclass(frozen=True, eq=False)
class Rescue:
    """What is done for a batch's pictures that get no gradient."""

    batch: ObjectiveBatch

    def gradient(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the scores (N,), their gradient for the pictures, and which pictures got none by ordinary means."""
        pictures = pictures.detach()
        scores, gradient = _climb(self.batch, pictures)
        asleep = _is_zero(gradient) & scores.isfinite()
        if asleep.any():
            groups = self.batch.groups_with(asleep)
            _, redirected = _climb(self.redirected.only(groups), pictures[groups])
            gradient[groups] = torch.where(asleep[groups][:, None, None, None], redirected, gradient[groups])
        return scores, gradient, asleep

    @cached_property
    def redirected(self) -> ObjectiveBatch:
        """The batch through a network whose ReLUs let a gradient through."""
        return replace(self.batch, network=with_redirected_relus(self.batch.network))

    @torch.no_grad()
    def photographs(self, asleep: Tensor, shape: Sequence[int]) -> Tensor:
        """Return a photograph for each sleeping picture, (sleeping, *shape), the one that rouses its unit most."""
        candidates = _photographs(shape).to(asleep.device)
        groups = self.batch.groups_with(asleep)
        batch = self.batch.only(groups)
        scores = torch.stack([batch.scores(one.expand(len(groups), -1, -1, -1)) for one in candidates])
        return candidates[scores.argmax(0)][asleep[groups]]


def _climb(batch: ObjectiveBatch, pictures: Tensor) -> tuple[Tensor, Tensor]:
    pictures = pictures.detach().requires_grad_()
    with torch.enable_grad():
        scores = batch.scores(pictures)
        if not scores.requires_grad:
            return scores, torch.zeros_like(pictures)
        (gradient,) = torch.autograd.grad(scores.sum(), pictures, allow_unused=True, materialize_grads=True)
    return scores.detach(), gradient.detach()  # zeros that nothing led to ask for one, too, before torch 2.7


def _is_zero(gradient: Tensor) -> Tensor:
    return gradient.flatten(1).abs().amax(1) == 0


@lru_cache(maxsize=1)
def with_redirected_relus(network: Network) -> Network:
    """Return the network with the same answers and ReLUs of every kind that block no whole picture."""
    return rewritten(network, _redirected)


def _redirected(operation: Operation) -> Operation:
    if not (operation.kind == "clip" or is_relu(operation)) or len(operation.inputs) > 1:
        return operation
    attributes = {key: value for key, value in operation.attributes.items() if key != "negative_slope"}
    return replace(operation, kind=redirected_clip.__name__, attributes=attributes)


def _photographs(shape: Sequence[int]) -> Tensor:
    """Return the sample photographs, (samples, *shape), RGB or averaged to gray."""
    channels, *size = shape
    photographs = [torch.from_numpy(read_picture(name)).permute(2, 0, 1) for name in SAMPLES]
    stacked = torch.stack([resized(one[None], (size[0], size[1]))[0] for one in photographs]).float()
    return stacked if channels == 3 else stacked.mean(1, keepdim=True).expand(-1, channels, -1, -1)
