"""Layers for content and style: those of the sources in VGGs under any names, and of like depth elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.network.parameters import Parameters
from convscope.styling.layers import chosen_layers, vgg_layers
from convscope.styling.options import StyleOptions
from convscope.styling.presets import STYLE_PRESETS
from planted import planted_network

VGG11, VGG19 = (1, 1, 2, 2, 2), (2, 2, 4, 4, 4)
# Crowson's layers of torchvision's vgg19, and Jacq's, before their ReLUs.
CROWSON = {"conv1_1": 1, "conv2_1": 6, "conv3_1": 11, "conv4_1": 20, "conv4_2": 22, "conv5_1": 29}
JACQ = {"conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10}


class Built:
    """A network put together layer by layer, with two channels everywhere."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.value = "data"

    def add(
        self, kind: str, after: str, inputs: Sequence[str] = (), *, in_place: bool = False, **attributes: int
    ) -> str:
        """Add an operation after the last one, or after others."""
        before = tuple(inputs) or (self.value,)
        self.operations.append(Operation(kind, after, kind, before, (after,), {}, attributes, in_place))
        self.value = after
        return after

    def convolve(self, after: str, channels: int = 2, size: int = 3, **attributes: int) -> str:
        """Add a convolution of `size` x `size`."""
        self.add("convolution", after, padding=size // 2, **attributes)
        roles = {"weight": f"{channels}x{size}.weight"}
        *_, last = self.operations
        self.operations[-1] = Operation(
            "convolution", after, "conv", last.inputs, (after,), roles, last.attributes
        )
        return after

    def network(self, side: int) -> Network:
        """Return it with a class output behind."""
        self.add("global_average_pool", "pooled")
        self.add("softmax", "prob")
        shapes = {
            f"{channels}x{size}.weight": (2, channels, size, size)
            for channels in (2, 3)
            for size in (1, 3, 7)
        }
        parameters = Parameters(shapes, lambda name: torch.rand(shapes[name]))
        graph = Graph("built", {"data": (1, 3, side, side)}, tuple(self.operations), ("prob",), parameters)
        return Network(graph, input_spec=InputSpec((side, side), provenance={"size": "input shape"}))


def vgg(blocks: Sequence[int], *, in_place: bool) -> Network:
    """Return a VGG with torchvision's names, or with Caffe's, whose ReLUs write over the convolutions' answers."""
    built, index = Built(), 0
    for number, count in enumerate(blocks, 1):
        for place in range(1, count + 1):
            name, first = f"conv{number}_{place}", index == 0
            before, after = (
                (f"{name}@{name}", name) if in_place else (f"features.{index}", f"features.{index + 1}")
            )
            built.convolve(before, 3 if first else 2)
            built.add("relu", after, in_place=in_place)
            index += 2
        built.add("max_pool", f"pool{number}" if in_place else f"features.{index}", kernel=2, stride=2)
        index += 1
    return built.network(64)


def residual() -> Network:
    """Return a residual network of three stages, at a half, a quarter and an eighth of the picture."""
    built = Built()
    built.convolve("stem", 3, 7, stride=2)
    built.add("relu", "stem_relu")
    for number in (1, 2, 3):
        if number > 1:
            built.convolve(f"down{number}", 2, 1, stride=2)
        entry = built.value
        built.convolve(f"block{number}_a")
        built.add("relu", f"block{number}_b")
        inside = built.convolve(f"block{number}_c")
        built.add("eltwise_sum", f"block{number}_sum", [entry, inside])
        built.add("relu", f"block{number}")
    return built.network(64)


def test_vgg19_has_the_sources_layers_under_torchvision_s_names() -> None:
    network = vgg(VGG19, in_place=False)
    after, before = vgg_layers(network), vgg_layers(network, before_relu=True)
    assert len(after) == len(before) == 16
    assert {name: after[name] for name in CROWSON} == {name: f"features.{n}" for name, n in CROWSON.items()}
    assert {name: before[name] for name in JACQ} == {name: f"features.{n}" for name, n in JACQ.items()}


def test_vgg19_has_them_where_relus_write_in_place() -> None:
    network = vgg(VGG19, in_place=True)
    names = [
        f"conv{number}_{place}" for number, count in enumerate(VGG19, 1) for place in range(1, count + 1)
    ]
    assert vgg_layers(network) == {name: name for name in names}
    assert vgg_layers(network, before_relu=True) == {name: f"{name}@{name}" for name in names}


@pytest.mark.parametrize("in_place", [False, True])
def test_the_weights_of_layers_that_become_one_are_added(in_place: bool) -> None:
    network = vgg(VGG11, in_place=in_place)
    settings = StyleOptions(preset="pytorch-tutorial").settings(network)
    # conv1_1 and conv1_2 are one, and conv2_1 and conv2_2.
    assert [*settings.style_layers.values()] == [2.0, 2.0, 1.0]
    assert [*settings.content_layers.values()] == [1.0]
    assert [*settings.style_layers] == [
        vgg_layers(network, before_relu=True)[f"conv{n}_1"] for n in (1, 2, 3)
    ]


def test_a_residual_network_gets_layers_of_its_own() -> None:
    network = residual()
    assert vgg_layers(network) == {}
    assert chosen_layers(network, {"conv4_2": 1.0}, "content") == {"block3": 1.0}  # after its ReLU
    wanted = STYLE_PRESETS["wasserstein"].settings.style_layers
    style = chosen_layers(network, wanted, "style")
    sides = [network.shapes_at((64, 64), [name])[name][2] for name in style]
    assert sides == sorted(sides, reverse=True)
    assert {32, 16, 8} == {*sides}
    assert sum(style.values()) == pytest.approx(sum(wanted.values()))
    assert [*style.values()] == sorted(style.values(), reverse=True)  # as the preset's


def test_what_is_no_vgg_is_not_taken_for_one() -> None:
    assert vgg_layers(planted_network()) == {}
    assert vgg_layers(vgg((2, 2, 4), in_place=False)) == {}


@pytest.mark.parametrize(
    ("preset", "raw_scale", "expected"),
    [
        ("pytorch-tutorial", 1.0, True),
        ("pytorch-tutorial", 255.0, False),
        ("neural-style", 255.0, True),
    ],
)
def test_the_tutorial_s_weights_are_for_a_vgg_that_takes_0_to_1(
    preset: str, raw_scale: float, expected: bool
) -> None:
    network = vgg(VGG19, in_place=True)
    assert network.input_spec is not None
    network = Network(network.graph, input_spec=network.input_spec.replace(raw_scale=raw_scale))
    assert STYLE_PRESETS[preset].is_for(network) is expected
    assert not STYLE_PRESETS[preset].is_for(residual())
