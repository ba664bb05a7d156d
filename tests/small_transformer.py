"""A small transformer whose attention is written in several ways, and what its maps are, written out in torch."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import convscope
from convscope.network.network import Network

ROWS, COLUMNS, WIDTH, HEADS, BLOCKS = 5, 7, 24, 4, 3
CLASS_TOKEN, MEAN = True, False


class Tokens(nn.Module):
    """Three blocks of attention over 5 x 7 places of 8 pixels; a class token is read, or the mean of all places.

    ``kind`` is how the attention is written: "softmax", "fused", or torch's own "module".
    """

    def __init__(self, has_class: bool, kind: str = "softmax") -> None:
        super().__init__()
        torch.manual_seed(7)
        self.has_class, self.kind = has_class, kind
        self.patch, self.head = nn.Conv2d(3, WIDTH, 8, 8), nn.Linear(WIDTH, 3)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.place = nn.Parameter(0.5 * torch.randn(1, ROWS * COLUMNS + has_class, WIDTH))
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH) for _ in range(BLOCKS + 1)])
        self.attention = nn.ModuleList(
            [nn.MultiheadAttention(WIDTH, HEADS, batch_first=True) for _ in range(BLOCKS)]
        )
        self.mlp = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(BLOCKS)])

    def embedded(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        if self.has_class:
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        return x + self.place

    def heads(self, index: int, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        attention: Any = self.attention[index]
        qkv = F.linear(x, attention.in_proj_weight, attention.in_proj_bias)
        q, k, v = qkv.reshape(x.shape[0], -1, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        return q, k, v

    def weights(self, index: int, x: Tensor) -> Tensor:
        q, k, _ = self.heads(index, self.norms[index](x))
        return (q @ k.transpose(-2, -1) / (WIDTH // HEADS) ** 0.5).softmax(-1)

    def block(self, index: int, x: Tensor) -> Tensor:
        normal, attention = self.norms[index](x), self.attention[index]
        if self.kind == "module":
            mixed, _ = attention(normal, normal, normal, need_weights=False)
        else:
            q, k, v = self.heads(index, normal)
            if self.kind == "fused":
                mixed = F.scaled_dot_product_attention(q, k, v)
            else:
                mixed = (q @ k.transpose(-2, -1) / (WIDTH // HEADS) ** 0.5).softmax(-1) @ v
            mixed = attention.out_proj(mixed.transpose(1, 2).reshape(x.shape))
        x = x + mixed
        return x + F.gelu(self.mlp[index](x))

    def read(self, x: Tensor) -> Tensor:
        x = self.norms[-1](x)
        scores: Tensor = self.head(x[:, 0] if self.has_class else x.mean(1))
        return scores

    def forward(self, x: Tensor) -> Tensor:
        x = self.embedded(x)
        for index in range(BLOCKS):
            x = self.block(index, x)
        return self.read(x)


def transformer(has_class: bool, kind: str = "softmax") -> tuple[Tokens, Network]:
    module = Tokens(has_class, kind).eval().requires_grad_(False)
    return module, convscope.open_network(module, input_shape=(1, 3, 40, 56))


def picture(seed: int = 2) -> Tensor:
    return torch.randn(1, 3, 40, 56, generator=torch.Generator().manual_seed(seed))


def on_grid(tokens: Tensor) -> Tensor:
    """Return tokens as (numbers, rows, columns), those without a place left out."""
    return tokens[0, -ROWS * COLUMNS :].T.reshape(-1, ROWS, COLUMNS)


def before_the_last(module: Tokens, input: Tensor) -> tuple[Tensor, Tensor]:
    """Return what goes into the last block, and the gradient of class 1's score for it."""
    x = module.embedded(input)
    for index in range(BLOCKS - 1):
        x = module.block(index, x)
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(module.read(module.block(BLOCKS - 1, x))[0, 1], x)
    return on_grid(x.detach()), on_grid(gradient)


def rolled(module: Tokens, input: Tensor) -> Tensor:
    """Return the rollout, (tokens, tokens), written out."""
    x, flow = module.embedded(input), torch.eye(ROWS * COLUMNS + module.has_class)
    for index in range(BLOCKS):
        mean = module.weights(index, x)[0].mean(0)
        flow = (0.5 * mean + 0.5 * torch.eye(len(mean))) @ flow
        x = module.block(index, x)
    return flow


def relevance_by_hand(module: Tokens, input: Tensor, target: int) -> Tensor:
    """Return (height, width, 3): the gradient times the input of the network in double precision, some of it frozen.

    That is relevance by epsilon where attention's weights are taken as they are and what normalizations and GELUs do is
    a factor for each number.
    """
    twin, x = deepcopy(module).double(), input.double().requires_grad_()
    tokens = twin.embedded(x)
    for index in range(BLOCKS):
        normal = _frozen(twin.norms[index], tokens)
        *_, values = twin.heads(index, normal)
        mixed = (twin.weights(index, tokens).detach() @ values).transpose(1, 2).reshape(tokens.shape)
        tokens = tokens + twin.attention[index].out_proj(mixed)
        tokens = tokens + _frozen(F.gelu, twin.mlp[index](tokens))
    tokens = _frozen(twin.norms[-1], tokens)
    score = twin.head(tokens[:, 0] if module.has_class else tokens.mean(1))[0, target]
    (slope,) = torch.autograd.grad(score, x)
    shares: Tensor = (slope * x)[0].permute(1, 2, 0).detach() / score.detach()
    return shares


def _frozen(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return x * (function(x) / x).detach()
