"""Whose colors a styled picture has.

Gatys, Bethge, Hertzmann and Shechtman, *Preserving color in neural artistic style transfer* (2016).
"""

from __future__ import annotations

import torch
from torch import Tensor

_EPSILON = 1e-5


def matched(style: Tensor, content: Tensor) -> Tensor:
    """Return a style picture (1, 3, H, W) with the content's mean color and the covariance of its colors.

    By the covariances' roots, the one linear change that turns no colors against each other.
    """
    ours, theirs = content[0].flatten(1).double(), style[0].flatten(1).double()
    change = _root(_covariance(ours)) @ torch.linalg.inv(_root(_covariance(theirs)))
    recolored = change @ (theirs - theirs.mean(1, keepdim=True)) + ours.mean(1, keepdim=True)
    pixels: Tensor = recolored.view_as(style[0])[None].to(style)
    return pixels.clamp(0, 1)


def _covariance(colors: Tensor) -> Tensor:
    covariance: Tensor = torch.cov(colors, correction=0) + _EPSILON * torch.eye(3).to(colors)
    return covariance


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors * values.sqrt() @ vectors.mT
    return root
