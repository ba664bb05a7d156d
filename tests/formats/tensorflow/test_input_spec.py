"""What a graph expects: told from its input, its first arithmetic and its names; what is a guess says so."""

from pathlib import Path

import numpy as np
import pytest

import convscope
from convscope.network.input_spec import InputSpec
from graph_def_writer import GraphWriter


def eaten(
    folder: Path,
    *,
    scope: str = "net",
    shape: tuple[int, ...] | None = (-1, 64, 48, 3),
    dtype: str = "DT_FLOAT",
    **arithmetic: float,
) -> InputSpec:
    g = GraphWriter()
    x = g.node("Placeholder", "input", dtype=dtype, shape=shape)
    if dtype != "DT_FLOAT":
        x = g.node("Cast", "cast", x, SrcT=dtype, DstT="DT_FLOAT")
    for op, number in arithmetic.items():
        x = g.node(op, op.lower(), x, g.const(f"{op}/y", np.float32(number)))
    weights = g.weights("w", 3, 3, 3, 4)
    g.node("Conv2D", f"{scope}/conv", x, weights, strides=[1, 1, 1, 1], padding="SAME")
    spec = convscope.open_network(g.save(folder / "graph.pb")).input_spec
    assert spec is not None
    return spec


def guesses(spec: InputSpec) -> set[str]:
    return {name for name, _, reason in spec.rows() if reason == "guess"}


def test_the_size_is_the_inputs_and_the_rest_a_guess(tmp_path: Path) -> None:
    spec = eaten(tmp_path)
    assert spec.size == (64, 48) and spec.layout == "NHWC" and spec.shape == (1, 64, 48, 3)
    assert guesses(spec) == {"channel_order", "raw_scale", "mean", "input_scale", "resize", "crops"}


def test_an_input_of_bytes_gets_the_pictures_own_numbers(tmp_path: Path) -> None:
    spec = eaten(tmp_path, dtype="DT_UINT8")
    assert (spec.raw_scale, spec.mean, spec.input_scale) == (255.0, (), 1.0)
    assert "bytes" in spec.provenance["raw_scale"]
    assert eaten(tmp_path, dtype="DT_UINT8", RealDiv=255.0).raw_scale == 255.0


@pytest.mark.parametrize(
    "scope, size", [("net", 224), ("InceptionV3", 299), ("MobilenetV2", 224)], ids=["net", "v3", "mobilenet"]
)
def test_a_size_nobody_states_is_a_known_networks_or_the_usual(tmp_path: Path, scope: str, size: int) -> None:
    spec = eaten(tmp_path, scope=scope, shape=None)
    assert spec.size == (size, size) and "size" in guesses(spec)


@pytest.mark.parametrize(
    "arithmetic, largest, words",
    [
        ({"RealDiv": 255.0}, 255.0, "0..255 into 0..1"),
        ({"Sub": 128.0, "Mul": 1 / 128}, 255.0, "0..255 into -1..0.992188"),
        ({"Mul": 2.0, "Sub": 1.0}, 1.0, "0..1 into -1..1"),
        ({"Sub": 117.0}, 255.0, "0..255 into -117..138"),
    ],
    ids=["a division by 255", "minus 128", "two x minus 1", "minus a mean"],
)
def test_the_range_is_told_by_the_arithmetic_at_the_beginning(
    tmp_path: Path, arithmetic: dict[str, float], largest: float, words: str
) -> None:
    spec = eaten(tmp_path, scope="InceptionV3", **arithmetic)
    assert (spec.raw_scale, spec.mean, spec.input_scale) == (largest, (), 1.0)
    assert words in spec.describe()
    assert not guesses(spec) & {"raw_scale", "mean", "input_scale"}


def test_mobilenet_knows_an_espresso(shared_data: Path) -> None:
    """Its 1,001 classes begin with a background; its pictures go from -1 to 1."""
    network = convscope.open_network(shared_data / "tensorflow/mobilenet_v1_0.25_128")
    assert network.class_count == 1001 and network.labels[:2] == ("background", "tench")
    label, probability = network.predict("coffee", top=1)[0]
    assert label == "espresso" and probability > 0.9
    tensor = network.preprocess(np.zeros((8, 8, 3), np.uint8))
    assert tensor.shape == (1, 128, 128, 3) and tensor.unique().tolist() == [-1.0]


def test_everything_can_be_overruled(shared_data: Path) -> None:
    network = convscope.open_network(
        shared_data / "tensorflow/mobilenet_v1_0.25_128",
        input_shape=(1, 144, 144, 3),
        channel_order="BGR",
        mean=(1.0, 2.0, 3.0),
    )
    assert network.input_spec.shape == (1, 144, 144, 3) and network.input_spec.mean == (1.0, 2.0, 3.0)
    assert network.layers["MobilenetV1/MobilenetV1/Conv2d_0/Relu6"].shape == (1, 72, 72, 8)


def test_a_picture_that_comes_after_an_input_with_a_value(tmp_path: Path) -> None:
    g = GraphWriter()
    mask = g.node("Placeholder", "mask", dtype="DT_FLOAT", shape=(1, 64, 48, 1))
    scaled = g.node("Mul", "mul", mask, g.const("mul/y", np.float32(2)))
    x = g.node("Placeholder", "image", dtype="DT_FLOAT", shape=(1, 64, 48, 3))
    bright = g.node("RealDiv", "div", x, g.const("div/y", np.float32(255)))
    seen = g.node("Mul", "seen", bright, scaled)
    g.node("Conv2D", "conv", seen, g.weights("w", 3, 3, 3, 4), strides=[1, 1, 1, 1], padding="SAME")
    spec = convscope.open_network(g.save(tmp_path / "graph.pb"), inputs={"mask": 0.5}).input_spec
    assert spec is not None and spec.provenance["raw_scale"].startswith("the graph makes 0..255 into 0..1")
