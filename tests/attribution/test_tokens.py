"""Transformers: class activation maps of tokens, and attention rolled out, against the same written out in torch."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import convscope
from convscope.attribution import relevance_rules
from convscope.attribution.target import target_of
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.errors import InputError
from convscope.formats.pytorch.libraries import ready_torchvision
from planted import plain_picture, planted_network
from small_transformer import (
    BLOCKS,
    CLASS_TOKEN,
    COLUMNS,
    MEAN,
    ROWS,
    WIDTH,
    before_the_last,
    on_grid,
    picture,
    relevance_by_hand,
    rolled,
    transformer,
)


@pytest.mark.parametrize("kind", ["softmax", "fused", "module"])
def test_a_class_is_mapped_where_its_tokens_last_come_from_places(kind: str) -> None:
    """Behind the last block the class token alone is read: a map of that would be of zeros."""
    module, network = transformer(CLASS_TOKEN, kind)
    answers, gradients = before_the_last(module, picture())
    for name, expected in (
        ("grad_cam", (gradients.mean((1, 2), keepdim=True) * answers).sum(0)),
        ("hires_cam", (gradients * answers).sum(0)),
        ("layer_cam", (gradients.relu() * answers).sum(0)),
    ):
        found = getattr(convscope, name)(network, picture(), 1)
        np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-6)
        assert found.map.shape == (40, 56) and np.ptp(found.map) > 0
        assert "Its tokens are 5 × 7 places of the picture. That is the last layer of them" in found.how


def test_where_all_places_are_averaged_the_last_layer_counts() -> None:
    module, network = transformer(MEAN)
    x = module.embedded(picture())
    for index in range(BLOCKS):
        x = module.block(index, x)
    last = module.norms[-1](x).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(module.head(last.mean(1))[0, 2], last)
    expected = (on_grid(gradient).mean((1, 2), keepdim=True) * on_grid(last.detach())).sum(0)
    found = convscope.grad_cam(network, picture(), 2)
    np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-6)


def test_leaving_out_a_number_of_every_token_is_a_run_without_it() -> None:
    module, network = transformer(CLASS_TOKEN)
    layer = convscope.grad_cam(network, picture(), 1).how.partition("the channels of ")[2].partition(",")[0]
    x = module.embedded(picture())
    for index in range(BLOCKS - 1):
        x = module.block(index, x)
    whole, lost = module(picture())[0, 1], []
    for number in range(WIDTH):
        without = x.clone()
        without[..., number] = 0
        lost.append(float(whole - module.read(module.block(BLOCKS - 1, without))[0, 1]))
    expected = (torch.tensor(lost)[:, None, None] * on_grid(x)).sum(0)
    found = convscope.ablation_cam(network, picture(), 1, layer=layer, progress=False)
    np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-5)


def test_a_layer_behind_the_last_places_says_why_nothing_is_lit() -> None:
    _, network = transformer(CLASS_TOKEN)
    last = next(name for name in reversed(network.layers) if network.shapes[name] == (1, 36, WIDTH))
    made = convscope.grad_cam(network, picture(), 1, layer=last)
    assert not made.map.any() and "is read from a token without a place" in made.caption


@pytest.mark.parametrize("kind", ["softmax", "fused", "module"])
@pytest.mark.parametrize("has_class", [CLASS_TOKEN, MEAN])
def test_a_rollout_multiplies_what_each_layer_hands_on(has_class: bool, kind: str) -> None:
    module, network = transformer(has_class, kind)
    flow = rolled(module, picture())
    row = flow[0] if has_class else flow.mean(0)
    found = convscope.attention_rollout(network, picture(), 1)
    np.testing.assert_allclose(found.values, row[-ROWS * COLUMNS :].reshape(ROWS, COLUMNS).numpy(), atol=1e-6)
    assert np.ptp(found.values) > 0.003 and found.map.shape == (40, 56)
    assert ("the first token, the class's" if has_class else "all tokens, averaged") in found.how


@pytest.mark.parametrize("kind", ["softmax", "fused", "module"])
@pytest.mark.parametrize("has_class", [CLASS_TOKEN, MEAN])
def test_relevance_takes_attentions_weights_as_they_are(
    has_class: bool, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relevance_rules, "EPSILON", 1e-12)  # by hand there is none
    module, network = transformer(has_class, kind)
    found = convscope.relevance(network, picture(), 1, rule="epsilon")
    expected = relevance_by_hand(module, picture(), 1)
    np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    assert f"In {BLOCKS} products a gate gets nothing." in found.how


class LinearAttention(nn.Module):
    """Attention without a softmax, and a normalization written out: products and quotients of values, no biases."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.patch, self.head = nn.Conv2d(3, 8, 8, 8, bias=False), nn.Linear(8, 3, bias=False)
        self.queries, self.keys = (nn.Linear(8, 8, bias=False) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = x / x.square().mean(-1, keepdim=True).sqrt()
        q, k = self.queries(x), self.keys(x)
        mixed = torch.einsum("bqf,bfg->bqg", q, k.transpose(1, 2) @ x)
        scores: Tensor = self.head((mixed * mixed.square().mean(-1, keepdim=True).rsqrt()).mean(1))
        return scores


def test_products_of_equal_standing_halve_and_divisors_get_nothing() -> None:
    """By autograd: three values multiply, so half of a half goes to keys and values; the divisors are frozen."""
    module, input = LinearAttention().eval().requires_grad_(False), picture()
    network = convscope.open_network(module, input_shape=(1, 3, 40, 56))
    found = convscope.relevance(network, input, 1, rule="epsilon")
    twin = LinearAttention().double().requires_grad_(False)
    x = input.double()
    tokens = twin.patch(x).flatten(2).transpose(1, 2)
    normal = tokens / tokens.square().mean(-1, keepdim=True).sqrt()
    q, k, v = (one.detach().requires_grad_() for one in (twin.queries(normal), twin.keys(normal), normal))
    mixed = q @ (k.transpose(1, 2) @ v)
    score = twin.head((mixed * mixed.square().mean(-1, keepdim=True).rsqrt().detach()).mean(1))[0, 1]
    by_query, by_key, by_value = torch.autograd.grad(score, (q, k, v))
    at_tokens = by_query @ twin.queries.weight / 2 + by_key @ twin.keys.weight / 4 + by_value / 4
    at_tokens = at_tokens / tokens.square().mean(-1, keepdim=True).sqrt()
    slope = nn.functional.conv_transpose2d(
        at_tokens.transpose(1, 2).reshape(1, 8, 5, 7), twin.patch.weight, stride=8
    )
    expected = (slope * x)[0].permute(1, 2, 0) / score.detach()
    np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    assert found.values.sum() == pytest.approx(1, abs=1e-3)
    products = "In 1 product a gate gets nothing and in 2 products the factors get equal parts"
    assert f"{products} and in 1 quotient the divisor gets nothing." in found.how


def test_what_has_no_attention_over_the_picture_says_so() -> None:
    with pytest.raises(
        InputError, match="planted has no attention over the whole picture before scores:0: use another"
    ):
        convscope.attention_rollout(planted_network(), plain_picture(), "red")
    _, network = transformer(CLASS_TOKEN)
    first = next(name for name in network.layers if network.shapes[name] == (1, 36, WIDTH))
    with pytest.raises(InputError, match="has no attention over the whole picture before"):
        convscope.attention_rollout(network, picture(), first)


class Windows(nn.Module):
    """Attention within four windows, as a Swin's."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.patch, self.head = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).reshape(1, 16, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1).reshape(4, 1, 16, 16)
        weights = (x @ x.transpose(-2, -1)).softmax(-1)
        scores: Tensor = self.head((weights @ x).reshape(1, 64, 16).mean(1))
        return scores


def test_attention_within_windows_is_not_rolled_out() -> None:
    network = convscope.open_network(Windows().eval(), input_shape=(1, 3, 32, 32))
    with pytest.raises(
        InputError, match="attends within 4 windows of the picture, not over all of it: use another"
    ):
        convscope.attention_rollout(network, torch.randn(1, 3, 32, 32), 1)


def test_grad_cam_finds_the_same_on_tokens() -> None:
    ready_torchvision()  # which the peer imports
    cams = pytest.importorskip("pytorch_grad_cam", reason="compares with grad-cam, which is not installed")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    module, network = transformer(CLASS_TOKEN)
    module = module.requires_grad_()
    layer = TargetAtLayer(target_of(network, picture(), 1), "norms.2")
    assert layer.grid == (ROWS, COLUMNS)
    for name, peer in (("grad_cam", "GradCAM"), ("hires_cam", "HiResCAM"), ("layer_cam", "LayerCAM")):
        with getattr(cams, peer)(
            module, [module.norms[2]], reshape_transform=lambda one: on_grid(one)[None]
        ) as cam:
            expected = cam(picture(), [targets.ClassifierOutputTarget(1)])[0]
        map = getattr(convscope, name)(network, picture(), 1, layer="norms.2").map
        np.testing.assert_allclose((map - map.min()) / np.ptp(map), expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
def test_torchvisions_transformer_is_mapped_and_rolled_out() -> None:
    """The network as it is published, with hooks: its attention, and the gradient where its last block begins."""
    ready_torchvision()
    models = pytest.importorskip(
        "torchvision.models", reason="compares with torchvision, which is not installed"
    )
    torch.manual_seed(5)
    sizes = {
        "image_size": 64,
        "patch_size": 16,
        "num_layers": 3,
        "num_heads": 2,
        "hidden_dim": 24,
        "mlp_dim": 48,
    }
    module = models.VisionTransformer(**sizes, num_classes=5).eval()
    nn.init.normal_(module.heads.head.weight)  # zeros, as it is made
    begins: list[Tensor] = []
    hooks = [
        block.register_forward_pre_hook(lambda _, given: begins.append(given[0]))
        for block in module.encoder.layers
    ]
    input = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(module(input)[0, 4], begins[-1], retain_graph=True)
    for hook in hooks:
        hook.remove()
    flow = torch.eye(17)
    for block, tokens in zip(module.encoder.layers, begins, strict=True):
        normal = block.ln_1(tokens)
        _, weights = block.self_attention(
            normal, normal, normal, need_weights=True, average_attn_weights=True
        )
        flow = (weights[0] + torch.eye(17)) / 2 @ flow
    network = convscope.open_network(module, input_shape=(1, 3, 64, 64))
    found = convscope.attention_rollout(network, input, 4)
    np.testing.assert_allclose(found.values, flow[0, 1:].reshape(4, 4).detach().numpy(), atol=1e-6)
    answers, gradients = (one[0, 1:].T.reshape(24, 4, 4).detach() for one in (begins[-1], gradient))
    expected = (gradients.mean((1, 2), keepdim=True) * answers).sum(0)
    assert expected.abs().max() > 1e-4
    np.testing.assert_allclose(convscope.grad_cam(network, input, 4).values, expected.numpy(), atol=1e-6)
