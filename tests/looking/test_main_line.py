"""The main line: what every path goes through, by removing each layer in turn; and GoogLeNet's stages."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convscope.formats.opening import open_network
from convscope.looking.activation_function import activation_after
from convscope.looking.main_line import main_line
from convscope.looking.stages import all_stages, stages, token_stage, vectors
from convscope.network.graph import Graph, Operation
from convscope.network.network import Network
from convscope.network.parameters import Parameters
from convscope.report import ReportOptions, make_report
from planted import edge_picture, planted_network


def reachable(graph: Graph, without: str) -> bool:
    """Tell whether the output can still be reached from the input when one value is taken away."""
    seen = {name for name in graph.inputs if name != without}
    for operation in graph.operations:
        if seen.intersection(operation.inputs):
            seen.update(name for name in operation.outputs if name != without)
    return bool(seen.intersection(graph.outputs))


def test_the_main_line_is_what_no_path_avoids(shared_data: Path) -> None:
    for name in ("bvlc_googlenet", "squeezenet_v1.1"):
        network = open_network(shared_data / "caffe" / name)
        needed = [name for name in network.layers if name not in network.graph.inputs]
        assert main_line(network) == [name for name in needed if not reachable(network.graph, name)]


def test_residual_branches_meet_again() -> None:
    def relu(before: str, after: str) -> Operation:
        return Operation("relu", after, "ReLU", (before,), (after,))

    total = Operation("eltwise_sum", "sum", "Eltwise", ("a", "c"), ("sum",))
    operations = (relu("data", "a"), relu("a", "b"), relu("b", "c"), total, relu("sum", "out"))
    graph = Graph("residual", {"data": (1, 3, 4, 4)}, operations, ("out",), Parameters({}, {}.__getitem__))
    assert main_line(Network(graph, input_spec=None)) == ["a", "sum", "out"]


def test_the_planted_network_has_two_stages() -> None:
    found = stages(planted_network())
    assert [(stage.size, stage.layers, stage.shown) for stage in found] == [
        ((32, 32), ("conv1",), ("conv1",)),
        ((16, 16), ("pool1", "conv2"), ("conv2",)),
    ]
    assert vectors(planted_network()) == ["pool2", "scores", "prob"]


def test_googlenet_is_told_by_eight_layers(shared_data: Path) -> None:
    network = open_network(shared_data / "caffe/bvlc_googlenet")
    assert [stage.shown for stage in stages(network)] == [
        ("conv1/7x7_s2",),
        ("conv2/3x3",),
        ("inception_3a/output", "inception_3b/output"),
        ("inception_4a/output", "inception_4e/output"),
        ("inception_5a/output", "inception_5b/output"),
    ]
    assert vectors(network) == ["pool5/7x7_s1", "loss3/classifier", "prob"]


def block(inputs: int, outputs: int) -> torch.nn.Sequential:
    layers = (torch.nn.Conv2d(inputs, outputs, 3, padding=1), torch.nn.BatchNorm2d(outputs), torch.nn.ReLU())
    return torch.nn.Sequential(*layers)


class Hourglass(torch.nn.Module):
    """A U-Net of three sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = block(3, 8), block(8, 16), block(16, 32), block(48, 16)
        self.pool, self.up, self.out = torch.nn.MaxPool2d(2), torch.nn.Upsample(scale_factor=2), block(24, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.a(x)
        b = self.b(self.pool(a))
        c = self.c(self.pool(b))
        d = self.d(torch.cat([b, self.up(c)], 1))
        found: torch.Tensor = self.out(torch.cat([a, self.up(d)], 1))
        return found


class Detector(torch.nn.Module):
    """Two heads on maps of one size, one on larger maps."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.pool = block(3, 8), block(8, 16), block(16, 32), torch.nn.MaxPool2d(2)
        self.small, self.large = torch.nn.Conv2d(16, 12, 1), torch.nn.Conv2d(32, 12, 1)
        self.box = torch.nn.Conv2d(32, 24, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        b = self.b(self.pool(self.a(x)))
        c = self.c(self.pool(b))
        return {"s": self.small(b), "l": self.large(c), "b": self.box(c)}


def shown_of(module: torch.nn.Module) -> list[tuple[int, tuple[str, ...], bool]]:
    network = open_network(module.eval(), input_shape=(1, 3, 64, 64))
    return [(stage.size[0], stage.shown, stage.is_end) for stage in stages(network)]


def test_an_hourglass_is_followed_to_its_deepest_part_after_each_activation() -> None:
    assert shown_of(Hourglass()) == [
        (64, ("a.2",), False),
        (32, ("b.2",), False),
        (16, ("c.2",), False),
        (32, ("cat", "d.2"), False),
        (64, ("cat_1",), False),
        (64, ("out.2",), True),
    ]


def test_a_border_makes_no_stage_and_the_last_filters_before_the_scores_are_shown() -> None:
    def filters(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
        return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3, stride), nn.ReLU()]

    painter = nn.Sequential(*filters(3, 8), *filters(8, 16, 2), nn.Upsample(scale_factor=2), *filters(16, 8))
    assert shown_of(painter) == [(64, ("2",), False), (32, ("5",), False), (64, ("9",), False)]
    unpadded = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3))
    assert shown_of(unpadded) == [(60, ("0", "1"), False), (28, ("3",), False)]

    class Scored(Hourglass):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Sequential(block(24, 8), nn.Conv2d(8, 2, 1))

    assert shown_of(Scored())[-2:] == [(64, ("cat_1", "out.0.2"), False), (64, ("out.1",), True)]


def with_sums_as_onnx_has_them(network: Network) -> Network:
    operations = tuple(
        replace(one, kind="add") if one.kind == "eltwise_sum" else one for one in network.graph.operations
    )
    assert operations != network.graph.operations
    return Network(replace(network.graph, operations=operations), input_spec=network.input_spec)


def test_what_a_residual_block_comes_to_is_shown_after_its_activation_in_every_format() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = block(3, 8), block(8, 8), nn.Conv2d(8, 8, 3, padding=1)
            self.last = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            a = self.a(x)
            return self.last(a + self.c(self.b(a))).mean((2, 3))  # type: ignore[no-any-return]

    network = open_network(Residual().eval(), input_shape=(1, 3, 16, 16))
    for one in (network, with_sums_as_onnx_has_them(network)):
        assert [stage.shown for stage in stages(one)] == [("a.2", "last")]


def test_each_head_of_a_detector_is_shown() -> None:
    assert shown_of(Detector())[-2:] == [(32, ("small",), True), (16, ("large", "box"), True)]


def test_each_head_of_a_detector_that_joins_their_answers_is_shown() -> None:
    class Joined(Detector):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            rows = [one.permute(0, 2, 3, 1).reshape(len(x), -1, 6) for one in super().forward(x).values()]
            return {"rows": torch.cat(rows, 1).sigmoid()}

    found = shown_of(Joined())
    assert found[-2:] == [(32, ("small",), True), (16, ("box",), True)] and "large" in found[-3][1]


@pytest.mark.parametrize(
    ("function", "normalization", "is_one"),
    [
        (lambda x: x * torch.sigmoid(x), nn.Identity(), True),
        (lambda x: x * torch.sigmoid(1.702 * x), nn.BatchNorm2d(8), True),
        (lambda x: x * nn.functional.relu6(x + 3) / 6, nn.GroupNorm(2, 8), True),
        (lambda x: 0.5 * x * (1 + torch.erf(x / 2**0.5)), nn.BatchNorm2d(8), True),
        (lambda x: 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.04 * x**3))), nn.BatchNorm2d(8), True),
        (lambda x: torch.tanh(nn.functional.softplus(x)) * x, nn.BatchNorm2d(8), True),
        (lambda x: torch.maximum(x, 0.1 * x), nn.Dropout2d(), True),
        (nn.CELU(), nn.InstanceNorm2d(8), True),
        (lambda x: x * x.mean((2, 3), True).sigmoid(), nn.BatchNorm2d(8), False),
        (lambda x: x + nn.functional.avg_pool2d(x, 3, 1, 1).relu(), nn.BatchNorm2d(8), False),
    ],
)
def test_an_activation_function_written_out_is_one(
    function: Any, normalization: nn.Module, is_one: bool
) -> None:
    """The last two are none: what multiplies comes from the whole map, what is added from the neighbors."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.second = nn.Conv2d(3, 8, 3), normalization, nn.Conv2d(8, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.second(function(self.norm(self.first(x))))
            return found

    network = open_network(Block().eval(), input_shape=(1, 3, 12, 12))
    first, second = (one for one in network.graph.operations if one.kind == "convolution")
    assert activation_after(network, first.outputs[0]) == (second.inputs[0] if is_one else "norm")


class Transformer(nn.Module):
    """Two blocks of attention over 5 x 7 places of 8 pixels, and a class token before them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.head = nn.Conv2d(3, 24, 8, 8), nn.Linear(24, 3)
        self.token = nn.Parameter(torch.zeros(1, 1, 24))
        self.qkv = nn.ModuleList([nn.Linear(24, 72) for _ in range(2)])
        self.mix = nn.ModuleList([nn.Linear(24, 24) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        for qkv, mix in zip(self.qkv, self.mix, strict=True):
            q, k, v = qkv(x).reshape(len(x), 36, 3, 4, 6).permute(2, 0, 3, 1, 4)
            weights = (q @ k.transpose(-2, -1)).softmax(-1)
            x = x + mix((weights @ v).transpose(1, 2).reshape(len(x), 36, 24))
        found: Tensor = self.head(x[:, 0])
        return found


def test_heads_of_attention_are_no_maps_and_tokens_are_a_stage() -> None:
    network = open_network(Transformer().eval(), input_shape=(1, 3, 40, 56))
    assert [(stage.size, stage.shown) for stage in stages(network)] == [((5, 7), ("patch",))]
    assert [stage.layers for stage in all_stages(network)] == [("patch",)]
    (tokens,) = token_stage(network)
    assert tokens.of_tokens and tokens.size == (5, 7) and tokens.layers == tokens.shown
    assert tokens.shown == ("cat", "add", "add_1")  # the tokens, and what the two blocks add up to
    assert {network.shapes[name] for name in tokens.shown} == {(1, 36, 24)}
    assert token_stage(with_sums_as_onnx_has_them(network)) == [tokens]
    assert len(token_stage(network, every=True)[0].shown) > 3
    assert token_stage(planted_network()) == []
    page = make_report(network, edge_picture(), ReportOptions(sections=("activations",)), progress=False)
    assert "5 × 7 tokens" in page and page.count("36 tokens of 24 numbers") == 3
    assert "<code>convscope.activations</code>" in page and "convscope activations" not in page


def test_axes_in_another_order_are_no_maps() -> None:
    class Detector(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 12, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.one(x).relu()).permute(0, 2, 3, 1).reshape(len(x), -1, 4)

    found = stages(open_network(Detector().eval(), input_shape=(1, 3, 21, 31)))
    assert [stage.size for stage in found] == [(10, 15), (8, 13)]
