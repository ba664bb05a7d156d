"""Layers of Caffe's forks: against OpenCV where it has them, else against the fork's arithmetic, written down again."""

# ruff: noqa: E501  a layer is a line of text

import warnings
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from convscope import open_network
from convscope.errors import ConvscopeWarning, InputError, NetworkFileError, UnsupportedLayer, WeightsMismatch
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.layers import TRANSLATORS
from convscope.formats.caffe.text import read_text
from convscope.formats.caffe.upgrade import upgrade
from convscope.network.network import Network
from convscope.network.operations import OPERATIONS
from protobuf_oracle import parse_text

pytestmark = pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")

MAP = (1, 8, 12, 20)
REGIONS = [
    [0, 3.0, 2.0, 60.0, 70.0],
    [0, 90.0, 10.0, 150.0, 95.0],
    [0, 15.0, 15.0, 15.0, 15.0],
    [0, 100, 20, 300, 170],
]


def inputs(**shapes: tuple[int, ...]) -> str:
    return "".join(
        f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ '
        + " ".join(f"dim: {size}" for size in shape)
        + " } } }\n"
        for name, shape in shapes.items()
    )


def built(text: str) -> Network:
    graph = build_graph(upgrade(read_text(text)))
    generator = torch.Generator().manual_seed(3)
    changes = {
        name: torch.rand(shape, generator=generator) + 0.3
        if shape != (1,) or "norm" in name
        else torch.ones(1)
        for name, shape in graph.parameters.shapes.items()
    }
    return Network(graph, input_spec=None).with_parameters(changes)


def random(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def opencv(
    text: str, network: Network, values: dict[str, torch.Tensor], output: str, folder: Path
) -> np.ndarray:
    """Return what OpenCV's own Caffe importer answers, from the same text and the same weights."""
    (folder / "net.prototxt").write_text(text)
    files = [str(folder / "net.prototxt")]
    if network.parameters:
        network.save(folder / "net.caffemodel")
        files.append(str(folder / "net.caffemodel"))
    net = cv2.dnn.readNetFromCaffe(*files)
    for name, value in values.items():
        net.setInput(value.numpy(), name)
    return np.asarray(net.forward(output))


CASES = {
    "Permute": "permute_param { order: 0 order: 2 order: 3 order: 1 }",
    "Reorg": "reorg_param { stride: 2 }",
    "ShuffleChannel": "shuffle_channel_param { group: 4 }",
    "ReLU6": "",
    "Normalize": "norm_param { across_spatial: false channel_shared: false scale_filler { value: 20 } }",
    "Normalize (whole)": "norm_param { across_spatial: true channel_shared: true scale_filler { value: 20 } }",
    "Interp": "interp_param { height: 25 width: 33 }",
    "Interp (zoom)": "interp_param { zoom_factor: 3 }",
    "Pooling (floor)": "pooling_param { kernel_size: 3 stride: 2 ceil_mode: false }",
    "Pooling (ceil)": "pooling_param { kernel_size: 3 stride: 2 ceil_mode: true }",
    "Pooling (average, floor)": "pooling_param { pool: AVE kernel_size: 2 stride: 3 ceil_mode: false }",
    "ConvolutionDepthwise": "convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 1 group: 8 }",
}


@pytest.mark.parametrize("case", CASES)
def test_a_layer_equals_opencv(case: str, tmp_path: Path) -> None:
    type_name = case.partition(" ")[0]
    layer = f'layer {{ name: "out" type: "{type_name}" bottom: "data" top: "out" {CASES[case]} }}'
    network, x = built(inputs(data=MAP) + layer), random(MAP)
    known = "Convolution" if "Depthwise" in type_name else type_name  # OpenCV knows it by the ordinary name
    text = inputs(data=MAP) + layer.replace(f'"{type_name}"', f'"{known}"')
    expected = opencv(text, network, {"data": x}, "out", tmp_path)
    found = network.activations(x, "out")["out"].numpy()
    assert found.shape == expected.shape == network.shapes["out"]
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


def test_the_output_of_a_depthwise_layer_is_that_of_a_grouped_one() -> None:
    words = "convolution_param { num_output: 8 kernel_size: 3 %s }"
    texts = [
        f'layer {{ name: "c" type: "{kind}" bottom: "data" top: "c" {words % group} }}'
        for kind, group in (
            ("Convolution", "group: 8"),
            ("ConvolutionDepthwise", ""),
            ("DepthwiseConvolution", "group: 8"),
        )
    ]
    networks, x = [built(inputs(data=MAP) + text) for text in texts], random(MAP)
    assert all(network.parameters["c.weight"].shape == (8, 1, 3, 3) for network in networks)
    answers = [network.activations(x, "c")["c"] for network in networks]
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


def test_interp_crops_and_shrinks() -> None:
    words = "interp_param { shrink_factor: 2 zoom_factor: 3 pad_beg: -1 pad_end: -2 }"
    text = inputs(data=MAP) + f'layer {{ name: "o" type: "Interp" bottom: "data" top: "o" {words} }}'
    x = random(MAP)
    expected = torch.nn.functional.interpolate(
        x[:, :, 1:-2, 1:-2], (13, 25), mode="bilinear", align_corners=True
    )  # 9 x 17 shrink to 5 x 9, and grow to 13 x 25
    torch.testing.assert_close(built(text).activations(x, "o")["o"], expected)


def test_axpy_equals_its_arithmetic() -> None:
    shapes = {"a": (2, 3, 1, 1), "x": (2, 3, 4, 5), "y": (2, 3, 4, 5)}
    text = inputs(**shapes) + 'layer { name: "o" type: "Axpy" bottom: "a" bottom: "x" bottom: "y" top: "o" }'
    values = {name: random(shape, seed) for seed, (name, shape) in enumerate(shapes.items())}
    found = built(text).activations(values, "o")["o"]
    a, x, y = (value.numpy() for value in values.values())
    expected = np.zeros_like(x)
    for n, c in np.ndindex(2, 3):
        expected[n, c] = a[n, c, 0, 0] * x[n, c] + y[n, c]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_bn_of_pspnet() -> None:
    text = (
        inputs(data=MAP)
        + 'layer { name: "b" type: "BN" bottom: "data" top: "b" bn_param { frozen: true eps: 0.01 } }'
    )
    network, x = built(text), random(MAP)
    slope, bias, mean, variance = (
        network.parameters[f"b.{r}"] for r in ("weight", "bias", "mean", "variance")
    )
    assert list(network.parameters) == ["b.weight", "b.bias", "b.mean", "b.variance"]
    expected = (x.movedim(1, -1) - mean) * (variance + 0.01) ** -0.5 * slope + bias
    torch.testing.assert_close(network.activations(x, "b")["b"], expected.movedim(-1, 1))


def test_bn_of_segnet() -> None:
    text = (
        inputs(data=(2, 3, 5, 4)) + 'layer { name: "b" type: "BN" bottom: "data" top: "b" bn_param { %s } }'
    )
    x = random((2, 3, 5, 4))
    network = built(text % "bn_mode: INFERENCE")
    scale, shift = network.parameters["b.weight"], network.parameters["b.bias"]
    channels = x.movedim(1, -1)
    torch.testing.assert_close(network.activations(x, "b")["b"], (channels * scale + shift).movedim(-1, 1))
    with pytest.warns(ConvscopeWarning, match="each batch's own statistics"):
        network = built(text % "scale_filler { value: 1 }")
    center = channels - channels.mean((0, 1, 2))
    expected = center / (center.square().mean((0, 1, 2)) + 1e-9).sqrt() * scale + shift
    torch.testing.assert_close(network.activations(x, "b")["b"], expected.movedim(-1, 1))


def test_batch_norm_of_nvcaffe() -> None:
    words = "batch_norm_param { scale_filler { value: 1 } bias_filler { value: 0 } eps: 1e-9 }"
    text = inputs(data=MAP) + f'layer {{ name: "n" type: "BatchNorm" bottom: "data" top: "n" {words} }}'
    network, x = built(text), random(MAP)
    mean, variance, factor, scale, bias = network.parameters.values()
    network = network.with_parameters({"n.scale_factor": factor * 7})
    expected = (x.movedim(1, -1) - mean) / (variance + 1e-5).sqrt() * scale + bias
    torch.testing.assert_close(network.activations(x, "n")["n"], expected.movedim(-1, 1))


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("scale: 2", (12, 20)),
        ("upsample_h: 13 upsample_w: 21", (13, 21)),
        ("scale: 2 pad_out_h: true", (11, 20)),
    ],
)
def test_upsample_of_segnet_puts_each_maximum_back(words: str, shape: tuple[int, int]) -> None:
    text = inputs(data=(1, 3, *shape)) + (
        'layer { name: "p" type: "Pooling" bottom: "data" top: "p" top: "mask" '
        "pooling_param { kernel_size: 2 stride: 2 } }"
        'layer { name: "r" type: "Power" bottom: "p" top: "r" power_param { scale: 3 } }'
        f'layer {{ name: "u" type: "Upsample" bottom: "r" bottom: "mask" top: "u" upsample_param {{ {words} }} }}'
    )
    network, x = built(text), random((1, 3, *shape))
    values = network.activations(x, "p", "mask", "u")
    expected = np.zeros((1, 3, *shape), np.float32)
    for index in np.ndindex(*values["p"].shape):
        expected[index[:2]].flat[int(values["mask"][index])] = 3 * values["p"][index]
    np.testing.assert_array_equal(values["u"], expected)


def test_upsample_of_yolo_repeats_each_pixel(tmp_path: Path) -> None:
    text = (
        inputs(data=MAP)
        + 'layer { name: "u" type: "Upsample" bottom: "data" top: "u" upsample_param { scale: 3 } }'
    )
    x = random(MAP)
    found = built(text).activations(x, "u")["u"].numpy()
    np.testing.assert_array_equal(found, x.numpy().repeat(3, 2).repeat(3, 3))


def test_darknets_reorg_in_python_is_synopsyss() -> None:
    """Its ``darknet.py``: values are read as a quarter of the channels on twice the sides."""
    python = 'type: "Python" python_param { module: "yolov2" layer: "darknet_reorg" }'
    network = built(inputs(data=(2, 8, 4, 6)) + f'layer {{ name: "o" {python} bottom: "data" top: "o" }}')
    x = random((2, 8, 4, 6)).numpy()
    wide, expected = x.reshape(2, 2, 8, 12), np.zeros((2, 8, 4, 6), np.float32)
    for b, k, y, x_ in np.ndindex(2, 8, 4, 6):
        expected[b, k, y, x_] = wide[b, k % 2, y * 2 + k // 2 // 2, x_ * 2 + k // 2 % 2]
    found = network.activations(torch.from_numpy(x), "o")["o"]
    assert np.array_equal(found, expected.reshape(2, 32, 2, 3))


def test_flip_and_the_reverse_of_reorg() -> None:
    x = random(MAP)
    text = (
        inputs(data=MAP)
        + 'layer { name: "f" type: "Flip" bottom: "data" top: "f" flip_param { flip_height: true } }'
    )
    assert torch.equal(built(text).activations(x, "f")["f"], x.flip(2, 3))
    shape = (1, 32, 3, 5)
    text = inputs(data=shape) + (
        'layer { name: "a" type: "Reorg" bottom: "data" top: "a" reorg_param { stride: 2 reverse: true } }'
        'layer { name: "b" type: "Reorg" bottom: "a" top: "b" reorg_param { stride: 2 } }'
    )
    x = random(shape)
    values = built(text).activations(x, "a", "b")
    for n, c, h, w in np.ndindex(*shape):  # Darknet's loop
        row, column = h * 2 + c // 8 // 2, w * 2 + c // 8 % 2
        assert values["a"][n, c % 8, row, column] == x[n, c, h, w]
    assert values["b"].shape == shape


ROIS = inputs(data=MAP, rois=(len(REGIONS), 5))


def test_roi_pooling_equals_opencv(tmp_path: Path) -> None:
    words = "roi_pooling_param { pooled_h: 3 pooled_w: 4 spatial_scale: 0.125 }"
    text = ROIS + f'layer {{ name: "o" type: "ROIPooling" bottom: "data" bottom: "rois" top: "o" {words} }}'
    values = {"data": random(MAP), "rois": torch.tensor(REGIONS)}
    network = built(text)
    found = network.activations(values, "o")["o"]
    assert tuple(found.shape) == network.shapes["o"] == (4, 8, 3, 4)
    np.testing.assert_allclose(found, opencv(text, network, values, "o", tmp_path), atol=1e-6)


def test_position_sensitive_pooling_equals_opencv(tmp_path: Path) -> None:
    shape = (1, 18, 12, 20)
    words = "psroi_pooling_param { spatial_scale: 0.125 output_dim: 2 group_size: 3 }"
    text = inputs(data=shape, rois=(len(REGIONS), 5)) + (
        f'layer {{ name: "o" type: "PSROIPooling" bottom: "data" bottom: "rois" top: "o" {words} }}'
    )
    values = {"data": random(shape), "rois": torch.tensor(REGIONS)}
    network = built(text)
    found = network.activations(values, "o")["o"]
    assert tuple(found.shape) == network.shapes["o"]
    np.testing.assert_allclose(found, opencv(text, network, values, "o", tmp_path), atol=1e-5)


PRIORS = {
    "plain": "min_size: 30 max_size: 60 aspect_ratio: 2 clip: false variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2",
    "clipped": "min_size: 30.0 aspect_ratio: 2 aspect_ratio: 3 flip: true clip: true step: 9 offset: 0.25 variance: 0.1",
    "unflipped": "min_size: 20 max_size: 44 aspect_ratio: 2 flip: false clip: false variance: 0.3",
}


@pytest.mark.parametrize("case", PRIORS)
def test_prior_boxes_equal_opencv(case: str, tmp_path: Path) -> None:
    text = inputs(data=(1, 3, 90, 120), map=(1, 8, 6, 7)) + (
        'layer { name: "priors" type: "PriorBox" bottom: "map" bottom: "data" top: "priors" '
        f"prior_box_param {{ {PRIORS[case]} }} }}"
    )
    values = {"data": random((1, 3, 90, 120)), "map": random((1, 8, 6, 7))}
    network = built(text)
    expected = opencv(text, network, values, "priors", tmp_path)
    found = network.activations(values, "priors")["priors"]
    assert tuple(found.shape) == expected.shape == network.shapes["priors"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_clustered_prior_boxes_are_openvinos() -> None:
    words = "width: 9.4 width: 25 height: 15 height: 39.6 step: 16 offset: 0.5 clip: true variance: 0.1 variance: 0.2 variance: 0.3 variance: 0.4"
    text = inputs(data=(1, 3, 90, 120), map=(1, 8, 5, 7)) + (
        'layer { name: "o" type: "PriorBoxClustered" bottom: "map" bottom: "data" top: "o" '
        f"prior_box_param {{ {words} }} }}"
    )
    found = built(text).activations({"data": random((1, 3, 90, 120)), "map": random((1, 8, 5, 7))}, "o")["o"]
    expected = []
    for row, column, (width, height) in product(range(5), range(7), ((9.4, 15), (25, 39.6))):
        x, y = (column + 0.5) * 16, (row + 0.5) * 16
        expected += [
            (x - width / 2) / 120,
            (y - height / 2) / 90,
            (x + width / 2) / 120,
            (y + height / 2) / 90,
        ]
    np.testing.assert_allclose(found[0, 0], np.clip(expected, 0, 1), atol=1e-6)
    np.testing.assert_allclose(found[0, 1], np.tile([0.1, 0.2, 0.3, 0.4], 70))


@pytest.mark.parametrize("code", ["CENTER_SIZE", "CORNER"])
@pytest.mark.parametrize(
    "settings", ["share_location: true keep_top_k: 7", "share_location: false keep_top_k: 9"]
)
def test_detections_equal_opencv(code: str, settings: str, tmp_path: Path) -> None:
    count, classes = 24, 3
    per_box = 1 if "true" in settings else classes
    shapes = {"loc": (1, count * per_box * 4), "conf": (1, count * classes), "priors": (1, 2, count * 4)}
    words = (
        f"detection_output_param {{ num_classes: {classes} {settings} background_label_id: 0 code_type: {code} "
        "nms_param { nms_threshold: 0.35 top_k: 20 } confidence_threshold: 0.2 }"
    )
    text = inputs(**shapes) + (
        f'layer {{ name: "o" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "o" {words} }}'
    )
    generator = np.random.default_rng(5)
    corner, extent = generator.uniform(0, 0.6, (count, 2)), generator.uniform(0.1, 0.4, (count, 2))
    boxes = np.concatenate([corner, corner + extent], 1).reshape(1, -1)
    priors = np.stack([boxes, np.tile([0.1, 0.1, 0.2, 0.2], count)[None]], 1).astype(np.float32)
    values = {
        "loc": random(shapes["loc"]),
        "conf": random(shapes["conf"]).sigmoid(),
        "priors": torch.tensor(priors),
    }
    network = built(text)
    assert network.shapes["o"] is None, "how many are found depends on the numbers"
    found = network.activations(values, "o")["o"].numpy().reshape(-1, 7)
    expected = opencv(text, network, values, "o", tmp_path).reshape(-1, 7)
    assert len(found) > 4
    order = [np.lexsort(rows.T[[2, 1]]) for rows in (found, expected)]
    np.testing.assert_allclose(found[order[0]], expected[order[1]], atol=1e-5)


def moved(box: np.ndarray, moves: np.ndarray, variances: np.ndarray, code: str) -> list[float]:
    """DecodeBBox of SSD's bbox_util.cpp, for one box."""
    if code == "CORNER":
        return [box[i] + variances[i] * moves[i] for i in range(4)]
    width, height = box[2] - box[0], box[3] - box[1]
    x = variances[0] * moves[0] * width + (box[0] + box[2]) / 2
    y = variances[1] * moves[1] * height + (box[1] + box[3]) / 2
    w, h = np.exp(variances[2] * moves[2]) * width, np.exp(variances[3] * moves[3]) * height
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


@pytest.mark.parametrize("code", ["CENTER_SIZE", "CORNER"])
def test_refinedets_detections_are_ssds_with_priors_that_a_first_stage_moved(
    code: str, tmp_path: Path
) -> None:
    """Against OpenCV, which has SSD's, with the first stage's work done by hand for each picture."""
    count, classes = 24, 3
    shapes = {"loc": (1, count * 4), "conf": (1, count * classes), "priors": (1, 2, count * 4)}
    two = {"loc": (2, count * 4), "conf": (2, count * classes), "priors": shapes["priors"]}
    two |= {"arm_conf": (2, count * 2), "arm_loc": (2, count * 4)}
    text = """layer { name: "o" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" %s top: "o"
        detection_output_param { num_classes: 3 background_label_id: 0 code_type: %s %s keep_top_k: 9
        nms_param { nms_threshold: 0.35 top_k: 20 } confidence_threshold: 0.2 } }"""
    generator = np.random.default_rng(6)
    corner, extent = generator.uniform(0, 0.6, (count, 2)), generator.uniform(0.1, 0.4, (count, 2))
    boxes, variances = np.concatenate([corner, corner + extent], 1), np.tile([0.1, 0.1, 0.2, 0.2], (count, 1))
    values = {name: random(shape, index) for index, (name, shape) in enumerate(two.items())}
    values |= {name: values[name].sigmoid() for name in ("conf", "arm_conf")}
    values["priors"] = torch.tensor(np.stack([boxes.ravel(), variances.ravel()])[None]).float()
    both = 'bottom: "arm_conf" bottom: "arm_loc"'
    network = built(inputs(**two) + text % (both, code, "objectness_score: 0.4 visualize: false"))
    found = network.activations(values, "o")["o"].numpy().reshape(-1, 7)
    plain = inputs(**shapes) + text % ("", code, "share_location: true")
    for picture in range(2):
        moves = values["arm_loc"][picture].reshape(count, 4).numpy()
        priors = [moved(*one, code) for one in zip(boxes, moves, variances, strict=True)]
        conf = values["conf"][picture].reshape(count, classes).clone()
        for box, share in enumerate(values["arm_conf"][picture].reshape(count, 2)[:, 1].tolist()):
            if share < 0.4:
                conf[box] = torch.tensor([1.0, 0, 0])
        alone = {
            "loc": values["loc"][picture : picture + 1],
            "conf": conf.reshape(1, -1),
            "priors": torch.tensor(np.stack([np.ravel(priors), variances.ravel()])[None]).float(),
        }
        expected = opencv(plain, built(plain), alone, "o", tmp_path).reshape(-1, 7)
        mine = found[found[:, 0] == picture]
        assert len(mine) > 4
        order = [np.lexsort(rows.T[[2, 1]]) for rows in (mine, expected)]
        np.testing.assert_allclose(mine[order[0], 1:], expected[order[1], 1:], atol=1e-5)
    apart = inputs(**two) + text % (both, code, "share_location: false")
    with pytest.raises(UnsupportedLayer, match="share_location"):
        built(apart)


@pytest.mark.parametrize("soft", [False, True])
def test_soft_suppression_is_cut_and_hard_that_says_so_is_not(soft: bool) -> None:
    words = f"num_classes: 2 nms_param {{ nms_threshold: 0.45 soft_nms: {str(soft).lower()} theta: 0.5 }}"
    text = inputs(loc=(2, 12), conf=(2, 6), priors=(1, 2, 12)) + (
        'layer { name: "r" type: "ReLU" bottom: "conf" top: "r" }'
        'layer { name: "o" type: "DetectionOutput" bottom: "loc" bottom: "r" bottom: "priors" top: "o" '
        f"detection_output_param {{ {words} }} }}"
    )
    assert list(build_graph(upgrade(read_text(text))).cut) == (["o"] if soft else [])


def test_nothing_detected_is_minus_one() -> None:
    words = "detection_output_param { num_classes: 2 confidence_threshold: 5 }"
    text = inputs(loc=(2, 12), conf=(2, 6), priors=(1, 2, 12)) + (
        f'layer {{ name: "o" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "o" {words} }}'
    )
    values = {"loc": random((2, 12)), "conf": random((2, 6)), "priors": random((1, 2, 12)).abs()}
    found = built(text).activations(values, "o")["o"]
    assert found.tolist() == [[[[i, -1, -1, -1, -1, -1, -1] for i in range(2)]]]


PROPOSAL = """
layer { name: "proposal" type: "Python" bottom: "prob" bottom: "deltas" bottom: "im_info" top: "rois" top: "scores"
        python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "{'feat_stride': 16, 'ratios': [0.5, 1, 2]}" } }
"""


def proposals(
    prob: np.ndarray, deltas: np.ndarray, info: np.ndarray, base: int = 16, ratios: tuple = (0.5, 1, 2),
    scales: tuple = (8, 16, 32), stride: int = 16, most: int = 300, small_stay: bool = False,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """py-faster-rcnn's proposal layer in a test, box by box."""
    anchors = []
    for ratio in ratios:
        across = np.round(np.sqrt(base**2 / ratio))
        down = np.round(across * ratio)
        for scale in scales:
            w, h, center = across * scale, down * scale, (base - 1) / 2
            anchors.append(
                [center - (w - 1) / 2, center - (h - 1) / 2, center + (w - 1) / 2, center + (h - 1) / 2]
            )
    found = []
    height, width = prob.shape[2:]
    for y, x, a in np.ndindex(height, width, len(anchors)):
        x1, y1, x2, y2 = np.array(anchors[a]) + stride * np.array([x, y, x, y])
        w, h = x2 - x1 + 1, y2 - y1 + 1
        dx, dy, dw, dh = deltas[0, 4 * a : 4 * a + 4, y, x].astype(float)
        cx, cy, w, h = dx * w + x1 + w / 2, dy * h + y1 + h / 2, np.exp(dw) * w, np.exp(dh) * h
        box = np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
        box = np.clip(box, 0, [info[0, 1] - 1, info[0, 0] - 1, info[0, 1] - 1, info[0, 0] - 1])
        large = box[2] - box[0] + 1 >= 16 * info[0, -1] and box[3] - box[1] + 1 >= 16 * info[0, 2]
        if large or small_stay:
            found.append((prob[0, len(anchors) + a, y, x] * large, box))
    kept: list[tuple[float, np.ndarray]] = []
    for score, box in sorted(found, key=lambda pair: -pair[0]):
        for _, other in kept:
            left, top = np.maximum(box[:2], other[:2])
            right, low = np.minimum(box[2:], other[2:])
            common = max(0, right - left + 1) * max(0, low - top + 1)
            areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, other)]
            if common / (sum(areas) - common) > 0.7:
                break
        else:
            kept.append((score, box))
    kept = kept[:most]
    return np.array([[0, *box] for _, box in kept]), np.array([[score] for score, _ in kept])


def test_proposals_of_faster_rcnn_are_computed_without_their_code() -> None:
    shapes = {"prob": (1, 18, 4, 5), "deltas": (1, 36, 4, 5), "im_info": (1, 3)}
    network = built(inputs(**shapes) + PROPOSAL)
    values = {
        "prob": random(shapes["prob"]).sigmoid(),
        "deltas": 0.3 * random(shapes["deltas"], 1),
        "im_info": torch.tensor([[66.0, 83.0, 1.25]]),
    }
    regions, scores = proposals(*(value.numpy() for value in values.values()))
    found = network.activations(values, "rois", "scores")
    assert 5 < len(regions) == len(found["rois"])
    np.testing.assert_allclose(found["rois"], regions, atol=1e-3)
    np.testing.assert_allclose(found["scores"], scores, atol=1e-6)


def test_pvanets_proposals_have_anchors_of_their_own_and_keep_what_is_too_small() -> None:
    shapes = {"prob": (1, 12, 4, 5), "deltas": (1, 24, 4, 5), "im_info": (1, 4)}
    text = """layer { name: "proposal" type: "Proposal" bottom: "prob" bottom: "deltas" bottom: "im_info" top: "rois" top: "scores"
        proposal_param { ratio: 0.5 ratio: 1 ratio: 2 scale: 2 scale: 6 base_size: 10 feat_stride: 12 post_nms_topn: 25 } }"""
    values = {
        "prob": random(shapes["prob"]).sigmoid(),
        "deltas": 0.3 * random(shapes["deltas"], 1),
        "im_info": torch.tensor([[52.0, 71.0, 1.25, 2.5]]),
    }
    numbers = [value.numpy() for value in values.values()]
    settings = {"base": 10, "ratios": (0.5, 1, 2), "scales": (2, 6), "stride": 12, "small_stay": True}
    regions, scores = proposals(*numbers, **settings, most=25)
    found = built(inputs(**shapes) + text).activations(values, "rois", "scores")
    assert 0 < (scores == 0).sum() < len(scores), "some are too small, and some are not"
    np.testing.assert_allclose(found["scores"], scores, atol=1e-6)
    large = scores[:, 0] > 0
    np.testing.assert_allclose(found["rois"][large], regions[large], atol=1e-3)


def test_a_proposal_layer_of_a_fork_is_cut() -> None:
    text = PROPOSAL.replace("'feat_stride': 16", "'feat_stride': 16, 'base_size': 4")
    with pytest.warns(
        ConvscopeWarning, match="'proposal' is a ProposalLayer with base_size: 4, which is a fork's"
    ):
        network = built(inputs(prob=(1, 18, 4, 5), deltas=(1, 36, 4, 5), im_info=(1, 3)) + ROIS_BESIDE + text)
    assert set(network.graph.cut) == {"rois", "scores"}


ROIS_BESIDE = 'layer { name: "beside" type: "ReLU" bottom: "prob" top: "beside" }'


def test_behind_proposals_the_network_goes_on_and_what_needs_no_im_info_needs_none() -> None:
    shapes = {"prob": (1, 18, 4, 5), "deltas": (1, 36, 4, 5), "im_info": (1, 3)}
    text = (
        inputs(**shapes)
        + ROIS_BESIDE
        + PROPOSAL
        + (
            'layer { name: "pool5" type: "ROIPooling" bottom: "prob" bottom: "rois" top: "pool5" '
            "roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.0625 } }"
            'layer { name: "fc" type: "InnerProduct" bottom: "pool5" top: "fc" inner_product_param { num_output: 3 } }'
        )
    )
    network = built(text)
    assert not network.graph.cut
    assert network.graph.parameters.shapes["fc.weight"] == (3, 18 * 4)
    values = {name: random(shape) for name, shape in shapes.items()}
    found = network.activations(values | {"im_info": torch.tensor([[66.0, 83.0, 1.0]])}, "rois", "fc")
    assert found["fc"].shape == (len(found["rois"]), 3)
    assert torch.equal(
        network.activations({"prob": values["prob"]}, "beside")["beside"], values["prob"].relu()
    )


def fcn_8s(crop: str) -> str:
    """FCN-8s: VGG's windows with a padding of 100, and three crops; two channels stand for many."""

    def window(kind: str, bottom: str, top: str, **settings: int) -> str:
        words = " ".join(f"{name}: {value}" for name, value in settings.items())
        own = "pooling_param { " if kind == "Pooling" else "convolution_param { num_output: 2 "
        return f'layer {{ name: "{top}" type: "{kind}" bottom: "{bottom}" top: "{top}" {own}{words} }} }}\n'

    def cut(top: str, bottom: str, over: str) -> str:
        return f'layer {{ name: "crop" type: "{crop}" bottom: "{bottom}" bottom: "{over}" top: "{top}" }}\n'

    text, below = inputs(data=(1, 3, 61, 93)), "data"
    for stage, convolutions in enumerate((2, 2, 3, 3, 3), 1):
        for index in range(1, convolutions + 1):
            pad = 100 if (stage, index) == (1, 1) else 1
            text += window("Convolution", below, below := f"conv{stage}_{index}", kernel_size=3, pad=pad)
            text += f'layer {{ name: "relu{below}" type: "ReLU" bottom: "{below}" top: "{below}" }}\n'
        text += window("Pooling", below, below := f"pool{stage}", kernel_size=2, stride=2)
    text += window("Convolution", "pool5", "fc6", kernel_size=7) + window(
        "Convolution", "fc6", "score", kernel_size=1
    )
    text += window("Deconvolution", "score", "score2", kernel_size=4, stride=2)
    text += window("Convolution", "pool4", "score-pool4", kernel_size=1) + cut(
        "pool4c", "score-pool4", "score2"
    )
    text += 'layer { name: "fuse" type: "Eltwise" bottom: "score2" bottom: "pool4c" top: "fused" }\n'
    text += window("Deconvolution", "fused", "score4", kernel_size=4, stride=2)
    text += window("Convolution", "pool3", "score-pool3", kernel_size=1) + cut(
        "pool3c", "score-pool3", "score4"
    )
    text += 'layer { name: "fuse2" type: "Eltwise" bottom: "score4" bottom: "pool3c" top: "final" }\n'
    return (
        text
        + window("Deconvolution", "final", "big", kernel_size=16, stride=8)
        + cut("coarse", "big", "data")
    )


@pytest.mark.parametrize("crop", ["CROP", "AutoCrop"])
def test_crops_that_find_their_place_have_the_offsets_that_fcn_8s_was_published_with(crop: str) -> None:
    graph = build_graph(upgrade(read_text(fcn_8s(crop))))
    crops = [one for one in graph.operations if one.kind == "crop"]
    assert [one.attributes["offsets"] for one in crops] == [(5, 5), (9, 9), (31, 31)]


def test_a_crop_without_an_offset_is_caffes_and_says_what_fcns_would_be() -> None:
    with pytest.warns(ConvscopeWarning, match="'pool4c' 5 down and 5 across, 'pool3c' 9 .*'coarse' 31 down"):
        graph = build_graph(upgrade(read_text(fcn_8s("Crop"))))
    assert [one.attributes["offsets"] for one in graph.operations if one.kind == "crop"] == [()] * 3
    told = fcn_8s("Crop").replace('type: "Crop"', 'type: "Crop" crop_param { offset: 3 }')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_graph(upgrade(read_text(told)))


def test_a_crop_that_cannot_find_its_place_is_cut() -> None:
    text = fcn_8s("AutoCrop").replace('name: "fc6" type: "Convolution"', 'name: "fc6" type: "Im2col"')
    text = text.replace("num_output: 2 kernel_size: 16 stride: 8", "num_output: 2 kernel_size: 16 stride: 7")
    graph = build_graph(upgrade(read_text(text)))
    assert (
        list(graph.cut) == ["coarse"] and "keeps the part of its first bottom" in graph.cut["coarse"].reason
    )


GRADIENTS = {
    "Normalize": "norm_param { across_spatial: false channel_shared: false }",
    "Interp": "interp_param { height: 7 width: 5 }",
    "Reorg": "reorg_param { stride: 2 }",
    "ShuffleChannel": "shuffle_channel_param { group: 2 }",
    "BN": "bn_param { bn_mode: LEARN }",
}


@pytest.mark.parametrize("type_name", GRADIENTS)
def test_gradients_by_finite_differences(type_name: str) -> None:
    text = f'layer {{ name: "norm" type: "{type_name}" bottom: "data" top: "o" {GRADIENTS[type_name]} }}'
    operation = built(inputs(data=(2, 4, 4, 6)) + text).graph.operations[-1]
    generator = torch.Generator().manual_seed(2)
    parts = {role: torch.rand(4, generator=generator).double() + 0.3 for role in operation.parameters}
    x = torch.randn(2, 4, 4, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: OPERATIONS[operation.kind](x, **parts, **operation.keywords), (x,)
    )


def test_gradients_through_regions() -> None:
    x = random((1, 4, 6, 7)).double().requires_grad_()
    rois = torch.tensor(REGIONS, dtype=torch.float64)
    pooled = {"size": (2, 3), "scale": 0.1}
    for summary in ("maximum", "mean"):
        way = {**pooled, "summary": summary}
        assert torch.autograd.gradcheck(lambda x, way=way: OPERATIONS["roi_pool"](x, rois, **way), (x,))
    sensitive = {"outputs": 1, "groups": 2, "scale": 0.1}
    assert torch.autograd.gradcheck(
        lambda x: OPERATIONS["position_sensitive_roi_pool"](x, rois, **sensitive), (x,)
    )
    rings = torch.cat([rois, rois[:, 1:] * 0.5 + 12], 1)
    assert torch.autograd.gradcheck(lambda x: OPERATIONS["ring_pool"](x, rings, **pooled), (x,))


def test_every_type_of_the_forks_is_looked_at_here() -> None:
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    types = [
        name
        for name, function in TRANSLATORS.items()
        if function.__module__.endswith(
            (".forks", ".fork_activations", ".fork_sequences", ".detectors", ".converted", ".layers.regions")
        )
    ]
    assert [name for name in types if f'"{name.rpartition(".")[2]}' not in source] == []


@pytest.mark.parametrize(
    ("type_name", "expected"),
    [
        ("SeLu", torch.nn.functional.selu),
        ("SELU", torch.nn.functional.selu),
        ("SeLuDropout", lambda x: x),
        ("HardSigmoid", lambda x: (0.2 * x + 0.5).clamp(0, 1)),
        ("HardSwish", torch.nn.functional.hardswish),
        ("HSwish", torch.nn.functional.hardswish),
        ("Mish", torch.nn.functional.mish),
        (
            'ReLU6" relu6_param { negative_slope: 0.3 } #',
            lambda x: (x.clamp(min=0) + 0.3 * x.clamp(max=0)).clamp(max=6),
        ),
        (
            'SeLu" selu_param { alpha: 1.2 lambda: 0.9 } #',
            lambda x: 0.9 * torch.where(x > 0, x, 1.2 * (x.exp() - 1)),
        ),
        (
            'ELU" elu_param { alpha: 0.4 lambda: 1.3 } #',
            lambda x: 1.3 * (x.clamp(min=0) + 0.4 * (x.clamp(max=0).exp() - 1)),
        ),
    ],
)
def test_activations_of_forks(type_name, expected) -> None:
    x = 3 * random((2, 5))
    text = inputs(data=(2, 5)) + f'layer {{ name: "o" bottom: "data" top: "o" type: "{type_name}"\n }}'
    torch.testing.assert_close(built(text).activations(x, "o")["o"], expected(x))


def test_old_names_of_the_same_types() -> None:
    old = (
        'layers { name: "o" type: ROI_POOLING bottom: "data" bottom: "rois" top: "o" '
        "roi_pooling_param { pooled_h: 2 pooled_w: 2 } }"
    )
    text = (
        'input: "data" input: "rois" input_shape { dim: 1 dim: 2 dim: 5 dim: 5 } input_shape { dim: 1 dim: 5 } '
        + old
    )
    assert built(text).graph.operations[-1].kind == "roi_pool"


BESIDE = 'layer { name: "beside" type: "ReLU" bottom: "data" top: "beside" }\n'


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ('type: "Pooling" pooling_param { kernel_size: 2 shift: 3 }', "PoolingParameter's shift: 3 (line 2)"),
        (
            'type: "Pooling" pooling_param { kernel_size: 2 pool: MEDIAN }',
            "PoolingParameter's pool: MEDIAN (line 2)",
        ),
        (
            'type: "Convolution" convolution_param { num_output: 2 kernel_size: 1 weight_sign: true }',
            "weight_sign: true",
        ),
        ('type: "ReLU" bend_param { at: 2 }', "LayerParameter's bend_param (line 2)"),
    ],
)
def test_an_unknown_field_in_a_layer_that_computes_cuts_there(layer: str, said: str) -> None:
    with pytest.warns(ConvscopeWarning) as notes:
        network = built(inputs(data=MAP) + f'layer {{ name: "o" bottom: "data" top: "o" {layer} }}\n{BESIDE}')
    assert any(said in str(note.message) for note in notes)
    assert set(network.graph.cut) == {"o"}


@pytest.mark.parametrize(
    "layer",
    [
        'type: "Convolution" convolution_param { num_output: 2 kernel_size: 1 engine: MKL2017 weight_filler { odd: 1 } }',
        'type: "Dropout" dropout_param { sample_weights_test: true }',
        'type: "ReLU" param { odd: 2 } relu_param { engine: DNN }',
    ],
)
def test_an_unknown_field_about_speed_or_training_does_not(layer: str) -> None:
    assert not built(inputs(data=MAP) + f'layer {{ name: "o" bottom: "data" top: "o" {layer} }}').graph.cut


@pytest.mark.parametrize(
    "layer",
    [
        'type: "SoftmaxWithLoss" loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 256 } include { phase: TRAIN }',
        'type: "SmoothL1LossOHEM" bottom: "x" smooth_l1_loss_param { sigma: 3 }',
        'type: "SegAccuracy"',
        'type: "DetectionEvaluate" detection_evaluate_param { num_classes: 3 }',
    ],
)
def test_losses_of_forks_never_block(layer: str) -> None:
    text = inputs(data=MAP, x=MAP) + BESIDE + f'layer {{ name: "o" bottom: "data" top: "o" {layer} }}'
    network = Network(build_graph(upgrade(read_text(text))), input_spec=None)
    assert "beside" in network.layers


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ('type: "AnnotatedData" data_param { batch_size: 4 } transform_param { mean_value: [1, 2, 3] resize_param { height: 30 width: 40 } }', (4, 3, 30, 40)),
        ('type: "DenseImageData" dense_image_data_param { batch_size: 2 new_height: 30 new_width: 40 }', None),
        ('type: "ImageLabelmapData" image_data_param { batch_size: 1 } transform_param { crop_size: 21 force_color: true }', (1, 3, 21, 21)),
        ('type: "Python" python_param { module: "voc_layers" layer: "VOCSegDataLayer" }', None),
        ('type: "Whatever"', None),
    ],
)  # fmt: skip
def test_a_layer_without_bottoms_is_an_input(layer: str, shape: tuple[int, ...] | None) -> None:
    text = f'layer {{ name: "d" top: "data" top: "label" {layer} }}' + BESIDE
    text += 'layer { name: "odd" type: "Concat" bottom: "label" bottom: "data" top: "odd" }'
    given = None if shape else (1, 3, 20, 24)
    graph = build_graph(upgrade(read_text(text)), input_shape=given)
    assert dict(graph.inputs) == {"data": shape or given}
    assert "does not say how big" in graph.cut["odd"].reason


def test_a_text_for_training_opens_as_in_training(tmp_path: Path) -> None:
    text = (
        'layer { name: "d" type: "Data" top: "data" include { phase: TRAIN } data_param { batch_size: 2 } }'
        + BESIDE
    )
    (tmp_path / "train.prototxt").write_text(text)
    with pytest.warns(
        ConvscopeWarning, match=r"'data' made: the network is opened as in training \(phase TRAIN\)"
    ):
        network = open_network(tmp_path / "train.prototxt", input_shape=(2, 3, 9, 9))
    assert "beside" in network.layers
    with pytest.raises(NetworkFileError, match="'data', which no layer before it makes"):
        open_network(tmp_path / "train.prototxt", input_shape=(2, 3, 9, 9), rules={"phase": "TEST"})


def test_a_template_is_told_apart() -> None:
    with pytest.raises(
        NetworkFileError, match=r"found 'K'. If this is a template, put a value in the place of 'K'"
    ):
        read_text("layer { convolution_param { num_output: K } }")


def test_a_hint_is_given_only_for_near_names() -> None:
    with pytest.raises(UnsupportedLayer, match=r"does not know\. Teach it"):
        built(inputs(data=MAP) + 'layer { name: "o" type: "Bend" bottom: "data" top: "o" }')
    with pytest.raises(UnsupportedLayer, match="Did you mean 'Convolution'"):
        built(inputs(data=MAP) + 'layer { name: "o" type: "Convolutoin" bottom: "data" top: "o" }')


def test_blobs_of_forks_have_axes_of_one_and_are_read(tmp_path: Path) -> None:
    """PSPNet's BN keeps (1, C, 1, 1) where BatchNorm has (C)."""
    text = (
        inputs(data=MAP) + 'layer { name: "b" type: "BN" bottom: "data" top: "b" bn_param { frozen: true } }'
    )
    names = ("weight", "bias", "mean", "variance")
    blobs = "".join(
        f"blobs {{ shape {{ dim: 1 dim: 8 dim: 1 dim: 1 }} {' '.join(f'data: {i + j / 10}' for j in range(8))} }}"
        for i in range(1, 5)
    )
    (tmp_path / "net.prototxt").write_text(text)
    stored = parse_text(f'layer {{ name: "b" type: "BN" {blobs} }}')
    (tmp_path / "net.caffemodel").write_bytes(stored.SerializeToString())
    network = open_network(tmp_path / "net.prototxt")
    assert [float(network.parameters[f"b.{name}"][3]) for name in names] == pytest.approx(
        [1.3, 2.3, 3.3, 4.3]
    )


def test_weights_whose_layers_have_other_types_are_refused(tmp_path: Path) -> None:
    text = inputs(data=MAP) + (
        'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 2 kernel_size: 1 } }'
        'layer { name: "act" type: "%s" bottom: "c" top: "c" }'
    )
    network = built(text % "Sigmoid")
    network.save(tmp_path / "trained.caffemodel")
    (tmp_path / "trained.prototxt").write_text(text % "ReLU")
    with pytest.raises(
        WeightsMismatch, match=r"'act' is a ReLU, in the weights a Sigmoid. Use the weights' own"
    ):
        open_network(tmp_path / "trained.prototxt")
    (tmp_path / "trained.prototxt").write_text(text % "Sigmoid")
    assert "c" in open_network(tmp_path / "trained.prototxt").layers


def test_the_documentation_lists_every_layer() -> None:
    page = (Path(__file__).parents[3] / "docs/formats.md").read_text()
    table = page.partition("## Caffe's layers")[2].partition("\n## ")[0]
    types = {name.rpartition(".")[2] for name in TRANSLATORS if not name.startswith("(")}
    assert {name for name in types if f"`{name}`" not in table} == set()


def test_an_input_of_nothing_is_one_line() -> None:
    text = (
        inputs(d=(4, 0))
        + 'layer { name: "f" type: "InnerProduct" bottom: "d" top: "f" inner_product_param { num_output: 3 } }'
    )
    with pytest.raises(InputError, match=r"layer 'f': its InnerProduct cannot take 'd' 4x0"):
        built(text)
    some = built(text.replace("dim: 0", "dim: 2"))
    assert some.activations(torch.zeros(0, 2), "f")["f"].shape == (0, 3)


def test_a_layer_of_a_fork_that_lacks_a_setting_is_cut() -> None:
    text = inputs(data=MAP) + BESIDE + 'layer { name: "o" type: "Reorg" bottom: "data" top: "o" }'
    with pytest.warns(ConvscopeWarning, match="a Reorg: its stride must be at least 1"):
        network = built(text)
    assert set(network.graph.cut) == {"o"}


SHARED = """
layer { name: "c" type: "Convolution" bottom: "%s" top: "%s" param { name: "w" } param { name: "b" }
        convolution_param { num_output: 3 kernel_size: 2 } }
"""


def test_two_layers_of_one_name_share_their_weights_as_in_opencv(tmp_path: Path) -> None:
    shape = (1, 2, 5, 6)
    text = inputs(one=shape, two=shape) + SHARED % ("one", "a") + SHARED % ("two", "b")
    text += 'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }'
    network, values = built(text), {"one": random(shape), "two": random(shape, 1)}
    assert set(network.graph.parameters.shapes) == {"c.weight", "c.bias"}
    expected = opencv(text, network, values, "sum", tmp_path)
    np.testing.assert_allclose(network.activations(values, "sum")["sum"], expected, atol=1e-5)
    with pytest.raises(NetworkFileError, match=r"two layers with weights are called 'c'.*let them share"):
        built(text.replace('name: "w"', "", 1))


def test_a_layer_whose_sizes_do_not_fit_is_cut_and_the_rest_works() -> None:
    text = inputs(data=(1, 3, 6, 5)) + (
        'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'
        'layer { name: "s" type: "Reshape" bottom: "r" top: "s" reshape_param { shape { dim: 7 dim: 4 } } }'
        'layer { name: "f" type: "InnerProduct" bottom: "s" top: "f" inner_product_param { num_output: 2 } }'
        'layer { name: "c" type: "Convolution" bottom: "r" top: "c" convolution_param { num_output: 2 kernel_size: 9 } }'
    )
    with pytest.warns(ConvscopeWarning, match=r"'s': its Reshape cannot take .*and so 'f' is behind"):
        network = built(text)
    assert set(network.graph.cut) == {"s", "f", "c"}
    assert not network.graph.parameters
    x = random((1, 3, 6, 5))
    assert torch.equal(network.activations(x, "r")["r"], x.relu())


def test_a_detector_is_told_the_size_of_its_picture(tmp_path: Path) -> None:
    path, shape = tmp_path / "net.prototxt", (1, 4, 66, 83)
    head = 'layer { name: "%s" type: "Convolution" bottom: "data" top: "%s" convolution_param { num_output: %d kernel_size: 16 stride: 16 } }'
    text = inputs(data=shape, im_info=(1, 3)) + head % ("p", "p", 18) + head % ("deltas", "deltas", 36)
    text += 'layer { name: "prob" type: "Sigmoid" bottom: "p" top: "prob" }' + PROPOSAL
    path.write_text(text)
    with pytest.warns(ConvscopeWarning, match="'im_info' is set to the picture's size, 66 x 83, scale 1"):
        network = open_network(path)
    x, names = random(shape), ("prob", "deltas", "rois")
    found = network.activations(x, *names)
    info = np.array([[66.0, 83.0, 1.0]])
    regions, _ = proposals(found["prob"].numpy(), found["deltas"].numpy(), info)
    np.testing.assert_allclose(found["rois"], regions, atol=1e-3)
    twice = open_network(
        path, inputs={"im_info": [[66.0, 83.0, 1.5]]}
    )  # what is smaller than 24 is left out now
    regions, _ = proposals(found["prob"].numpy(), found["deltas"].numpy(), np.array([[66.0, 83.0, 1.5]]))
    np.testing.assert_allclose(twice.activations(x, "rois")["rois"], regions, atol=1e-3)
    with pytest.raises(InputError, match="'im_info' got its value when the network was opened"):
        network.activations({"data": x, "im_info": torch.ones(1, 3)}, "rois")


YOLO = """
layer { name: "o" type: "Yolov3DetectionOutput" bottom: "large" bottom: "small" top: "o" yolov3_detection_output_param {
  num_classes: 3 num_box: 2 confidence_threshold: 0.3 nms_threshold: 0.4 anchors_scale: 32 anchors_scale: 16
  biases: 20 biases: 37 biases: 49 biases: 94 biases: 73 biases: 201 biases: 143 biases: 60 mask: 2 mask: 3 mask: 0 mask: 1 } }
"""


def suppressed(found: list[list[float]]) -> list[list[float]]:
    """Return what MobileNet-YOLO's suppression across all classes leaves, at an overlap of 0.4."""
    found = sorted(found, key=lambda row: -row[2])
    kept: list[list[float]] = []
    for row in found:
        for other in kept:
            across = min(row[5], other[5]) - max(row[3], other[3])
            down = min(row[6], other[6]) - max(row[4], other[4])
            areas = [(one[5] - one[3]) * (one[6] - one[4]) for one in (row, other)]
            if min(across, down) > 0 and across * down / (sum(areas) - across * down) >= 0.4:
                break
        else:
            kept.append(row)
    return kept


def yolo(maps: list[np.ndarray]) -> list[list[float]]:
    """MobileNet-YOLO's own loop over cells, anchors and classes, and its suppression across all classes."""

    def squashed(x: float) -> float:
        return 1 / (1 + np.exp(-x))

    sides, found = [(73, 201), (143, 60), (20, 37), (49, 94)], []
    for at, (values, scale) in enumerate(zip(maps, (32, 16), strict=True)):
        height, width = values.shape[2:]
        for j, i, n, label in np.ndindex(height, width, 2, 3):
            cell = values[0, n * 8 : (n + 1) * 8, j, i].astype(float)
            score = squashed(cell[4]) * squashed(cell[5 + label])
            if score > 0.3:
                x, y = (i + squashed(cell[0])) / width, (j + squashed(cell[1])) / height
                w, h = (
                    np.exp(cell[2 + k]) * sides[2 * at + n][k] / ((width, height)[k] * scale) for k in (0, 1)
                )
                found.append([0, label + 1, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return suppressed(found)


def test_boxes_of_mobilenet_yolo_are_those_of_its_loops() -> None:
    shapes = {"large": (1, 16, 3, 4), "small": (1, 16, 6, 8)}
    values = {name: 1.3 * random(shape, at) for at, (name, shape) in enumerate(shapes.items())}
    network = built(inputs(**shapes) + YOLO)
    assert network.shapes["o"] is None, "how many are found depends on the numbers"
    found = network.activations(values, "o")["o"]
    expected = yolo([value.numpy() for value in values.values()])
    assert 8 < len(expected) < 100
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-5)
    nothing = network.activations({name: value - 9 for name, value in values.items()}, "o")["o"]
    assert nothing.tolist() == [[[[0, -1, -1, -1, -1, -1, -1]]]]
    with pytest.warns(ConvscopeWarning, match="found 2 anchors_scale, 4 mask and 6 biases"):
        built(
            inputs(**shapes)
            + BESIDE.replace('"data"', '"large"')
            + YOLO.replace("biases: 143 biases: 60", "")
        )


def pooled_by_hand(picture: np.ndarray, words: dict[str, int | str]) -> np.ndarray:
    """Return what a fork's pooling with a padding of its own for each side makes of rows and columns, in loops."""
    kernel, stride, kind = int(words["kernel_size"]), int(words["stride"]), words["pool"]
    before = {"rows": int(words["pad_t"]), "columns": int(words["pad_l"])}
    behind = {"rows": int(words["pad_b"]), "columns": int(words["pad_r"])}
    windows = {}
    for axis, size in zip(("rows", "columns"), picture.shape, strict=True):
        count = -(-(size + before[axis] + behind[axis] - kernel) // stride) + 1
        count -= (count - 1) * stride >= size + before[axis]
        starts = [index * stride - before[axis] for index in range(count)]
        windows[axis] = [(start, min(start + kernel, size + behind[axis])) for start in starts]
    answer = np.zeros((len(windows["rows"]), len(windows["columns"])))
    for row, (top, bottom) in enumerate(windows["rows"]):
        for column, (left, right) in enumerate(windows["columns"]):
            inside = picture[max(top, 0) : bottom, max(left, 0) : right]
            area = inside.size if kind == "AVE_EXC_PAD" else (bottom - top) * (right - left)
            answer[row, column] = inside.max() if kind == "MAX" else inside.sum() / area
    return answer


@pytest.mark.parametrize("pool", ["MAX", "AVE", "AVE_EXC_PAD"])
@pytest.mark.parametrize("sides", [(0, 1, 2, 0), (1, 0, 1, 2), (2, 2, 0, 0), (0, 0, 1, 1)])
def test_pooling_with_a_padding_for_each_side(pool: str, sides: tuple[int, ...]) -> None:
    names = ("pad_l", "pad_t", "pad_r", "pad_b")
    words = {"pool": pool, "kernel_size": 3, "stride": 2, **dict(zip(names, sides, strict=True))}
    text = " ".join(f"{name}: {value}" for name, value in words.items())
    network = built(
        inputs(data=MAP)
        + f'layer {{ name: "o" type: "Pooling" bottom: "data" top: "o" pooling_param {{ {text} }} }}'
    )
    x = random((1, 8, 12, 20))
    expected = np.stack([pooled_by_hand(channel, words) for channel in x[0].double().numpy()])
    np.testing.assert_allclose(network.activations(x, "o")["o"][0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["Convolution", "Deconvolution"])
def test_convolution_with_a_padding_for_each_side(kind: str) -> None:
    words = "num_output: 4 kernel_size: 3 stride: 2 pad_l: 2 pad_t: 0 pad_r: 1 pad_b: 3"
    network = built(
        inputs(data=MAP)
        + f'layer {{ name: "c" type: "{kind}" bottom: "data" top: "c" convolution_param {{ {words} }} }}'
    )
    x, weight, bias = random(MAP), network.parameters["c.weight"], network.parameters["c.bias"]
    if kind == "Convolution":
        padded = torch.nn.functional.pad(x, (2, 1, 0, 3))
        expected = torch.nn.functional.conv2d(padded, weight, bias, 2)
    else:  # what it makes without padding, cut on each side
        expected = torch.nn.functional.conv_transpose2d(x, weight, bias, 2)[:, :, 0:-3, 2:-1]
    torch.testing.assert_close(network.activations(x, "c")["c"], expected, atol=1e-5, rtol=1e-5)


def test_pad_type_1_is_tensorflows_same() -> None:
    words = "num_output: 4 kernel_size: 4 stride: 3 pad_type: 1"
    network = built(
        inputs(data=MAP)
        + f'layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param {{ {words} }} }}'
    )
    x = random(MAP)  # 12 rows make 4, with 1 added; 20 columns make 7, with 2 added
    expected = torch.nn.functional.conv2d(
        torch.nn.functional.pad(x, (1, 1, 0, 1)),
        network.parameters["c.weight"],
        network.parameters["c.bias"],
        3,
    )
    torch.testing.assert_close(network.activations(x, "c")["c"], expected, atol=1e-5, rtol=1e-5)


def test_a_relu_with_relu6_gives_nothing_above_6() -> None:
    x = random(MAP) * 8
    for words, slope in (("relu6: true", 0.0), ("relu6: true negative_slope: 0.25", 0.25)):
        text = f'layer {{ name: "r" type: "ReLU" bottom: "data" top: "r" relu_param {{ {words} }} }}'
        expected = torch.where(x > 0, x, slope * x).clamp(max=6)
        torch.testing.assert_close(built(inputs(data=MAP) + text).activations(x, "r")["r"], expected)


@pytest.mark.parametrize("words", ["pad: 1 pad_l: 1", "pad_type: 1 pad_t: 2", "pad_type: 3"])
def test_padding_that_is_said_twice_cuts_the_layer(words: str) -> None:
    text = inputs(data=MAP) + (
        'layer { name: "a" type: "ReLU" bottom: "data" top: "a" }'
        f'layer {{ name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param {{ kernel_size: 3 {words} }} }}'
    )
    network = built(text)
    assert [cut.name for cut in network.graph.cut.values()] == ["p"]
    assert "pad" in network.graph.cut["p"].reason


def test_another_layer_called_filter_is_cut_and_the_rest_is_there() -> None:
    text = inputs(data=MAP) + (
        'layer { name: "a" type: "ReLU" bottom: "data" top: "a" }'
        'layer { name: "f" type: "Filter" bottom: "a" top: "f" }'
    )
    assert "no selector" in built(text).graph.cut["f"].reason


def test_pad_puts_numbers_around_each_axis() -> None:
    words = "pad_param { paddings: 0 paddings: 0 paddings: 1 paddings: 0 paddings: 2 paddings: 3 paddings: 0 paddings: 4 constant_values: -1.5 }"
    text = inputs(data=MAP) + f'layer {{ name: "p" type: "Pad" bottom: "data" top: "p" {words} }}'
    x = random(MAP)
    expected = np.pad(x.numpy(), ((0, 0), (1, 0), (2, 3), (0, 4)), constant_values=-1.5)
    np.testing.assert_array_equal(built(text).activations(x, "p")["p"].numpy(), expected)


@pytest.mark.parametrize(
    ("type_name", "words"),
    [
        ("Convolution", "quantization_param { bw_layer_in: 8 scale_in: 1.25 }"),
        ("ConvolutionRistretto", "quantization_param { bw_params: 8 precision: DYNAMIC_FIXED_POINT }"),
    ],
)
def test_rounding_to_few_bits_is_left_out_and_said_once(type_name: str, words: str) -> None:
    layer = 'layer { name: "%s" type: "%s" bottom: "%s" top: "%s" %s convolution_param { num_output: 3 kernel_size: 3 } }'
    layers = layer % ("a", type_name, "data", "a", words) + layer % ("b", type_name, "a", "b", words)
    with pytest.warns(ConvscopeWarning, match="quantization_param is not obeyed") as said:
        network = built(inputs(data=MAP) + layers)
    assert str([warning.message for warning in said]).count("not obeyed") == 1
    x, numbers = random(MAP), network.parameters
    conv = torch.nn.functional.conv2d
    expected = conv(conv(x, numbers["a.weight"], numbers["a.bias"]), numbers["b.weight"], numbers["b.bias"])
    torch.testing.assert_close(network.activations(x, "b")["b"], expected, atol=1e-4, rtol=1e-5)


def test_layers_of_data_may_have_one_name() -> None:
    dummy = 'layer { name: "data" type: "DummyData" top: "%s" dummy_data_param { shape { dim: 2 dim: 3 } data_filler { type: "constant" value: %s } } }'
    text = (
        dummy % ("one", 0.5)
        + dummy % ("two", 3)
        + ('layer { name: "sum" type: "Eltwise" bottom: "one" bottom: "two" top: "sum" }' + BESIDE)
    )
    network = Network(build_graph(upgrade(read_text(inputs(data=MAP) + text))), input_spec=None)
    assert torch.equal(network.activations(random(MAP), "sum")["sum"], torch.full((2, 3), 3.5))


@pytest.mark.parametrize(
    ("type_name", "plain", "words"),
    [
        ("ConvolutionRistretto", "Convolution", "convolution_param { num_output: 3 kernel_size: 3 }"),
        (
            "DeconvolutionRistretto",
            "Deconvolution",
            "convolution_param { num_output: 3 kernel_size: 3 stride: 2 }",
        ),
        ("FcRistretto", "InnerProduct", "inner_product_param { num_output: 7 }"),
        ("LRNRistretto", "LRN", "lrn_param { local_size: 3 alpha: 0.5 }"),
    ],
)
def test_ristrettos_layers_are_the_plain_ones(type_name: str, plain: str, words: str) -> None:
    layer, x = 'layer { name: "a" type: "%s" bottom: "data" top: "a" %s }', random(MAP)
    found, expected = (
        built(inputs(data=MAP) + layer % (name, words)).activations(x, "a")["a"]
        for name in (type_name, plain)
    )
    torch.testing.assert_close(found, expected)


def test_the_filler_of_a_fork_blocks_nothing() -> None:
    """Random numbers are random in any case: Caffe's msra stands for it, and one note says so."""
    conv = 'layer { name: "%s" type: "Convolution" bottom: "data" top: "%s" convolution_param { num_output: 64 kernel_size: 3 weight_filler { type: "taylor" } } }'
    text = inputs(data=MAP) + conv % ("a", "a") + conv % ("b", "b")
    with pytest.warns(ConvscopeWarning, match="there is no filler 'taylor': 'msra' stands for it") as said:
        graph = build_graph(upgrade(read_text(text)))
    assert str([warning.message for warning in said]).count("taylor") == 1
    assert float(graph.parameters["a.weight"].std()) == pytest.approx((2 / 72) ** 0.5, rel=0.05)
    assert not torch.equal(graph.parameters["a.weight"], graph.parameters["b.weight"])


@pytest.mark.parametrize("count", [1, 2])
def test_boxes_of_yolov2_are_those_of_mobilenet_yolos_loops(count: int) -> None:
    """ "YoloDetectionOutput": a softmax, the likeliest class of each box, anchors in cells, the same for every map."""
    shapes = {"large": (1, 16, 4, 4), "small": (1, 16, 7, 7)}
    shapes = dict(list(shapes.items())[:count])
    values = {name: 1.3 * random(shape, at) for at, (name, shape) in enumerate(shapes.items())}
    bottoms = " ".join(f'bottom: "{name}"' for name in shapes)
    words = "num_classes: 3 num_box: 2 confidence_threshold: 0.3 nms_threshold: 0.4 biases: 0.7 biases: 1.1 biases: 2.5 biases: 1.9"
    text = f'layer {{ name: "o" type: "YoloDetectionOutput" {bottoms} top: "o" yolo_detection_output_param {{ {words} }} }}'
    found = built(inputs(**shapes) + text).activations(values, "o")["o"]
    rows = []
    for maps in values.values():
        side = maps.shape[3]
        for j, i, n in np.ndindex(side, side, 2):
            cell = maps[0, n * 8 : (n + 1) * 8, j, i].double().numpy()
            shares = np.exp(cell[5:] - cell[5:].max())
            shares /= shares.sum()
            score = shares.max() / (1 + np.exp(-cell[4]))
            if score >= 0.3:
                x, y = (i + 1 / (1 + np.exp(-cell[0]))) / side, (j + 1 / (1 + np.exp(-cell[1]))) / side
                w, h = np.exp(cell[2]) * (0.7, 2.5)[n] / side, np.exp(cell[3]) * (1.1, 1.9)[n] / side
                rows.append([0, shares.argmax() + 1, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    assert 4 < len(rows) < 100
    np.testing.assert_allclose(found[0, 0], suppressed(rows), atol=1e-5)


def test_unpooling_of_deconvnet_puts_each_maximum_back() -> None:
    """Its batch norm has two more tops, which nobody reads; the mask is a pooling's."""
    text = (
        inputs(data=(1, 4, 6, 10))
        + 'layer { name: "n" type: "BN" bottom: "data" top: "data" top: "n-mean" top: "n-var" bn_param { scale_filler { value: 1 } } }'
        + 'layer { name: "p" type: "Pooling" bottom: "data" top: "p" top: "p_mask" pooling_param { kernel_size: 2 stride: 2 } }'
        + 'layer { name: "u" type: "Unpooling" bottom: "p" bottom: "p_mask" top: "u" unpooling_param { unpool: MAX kernel_size: 2 stride: 2 unpool_h: 6 unpool_w: 10 } }'
    )
    network = built(text)
    assert not network.graph.cut
    values = network.activations(random((1, 4, 6, 10)), ["data", "u"])
    pooled, places = torch.nn.functional.max_pool2d(values["data"], 2, return_indices=True)
    torch.testing.assert_close(values["u"], torch.nn.functional.max_unpool2d(pooled, places, 2))
    averages = text.replace("unpool: MAX", "unpool: AVE")
    assert "only a maximum is put back" in built(averages).graph.cut["u"].sentence


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            '"Transpose" bottom: "data" transpose_param { dim: 3 dim: 2 dim: 0 dim: 1 }',
            lambda x: x.permute(3, 2, 0, 1),
        ),
        ('"Squeeze" bottom: "one" squeeze_param { axis: 0 axis: -1 }', lambda x: x.mean((0, 3))),
        ('"Mul" bottom: "data" bottom: "one"', lambda x: x * x.mean((0, 3), keepdim=True)),
        ('"Add" bottom: "one" bottom: "data"', lambda x: x + x.mean((0, 3), keepdim=True)),
        (
            '"ResizeNearestNeighbor" bottom: "data" resize_nearest_neighbor_param { data_format: "NCHW" scale_height: 2.0 scale_width: 3.0 }',
            lambda x: x.repeat_interleave(2, 2).repeat_interleave(3, 3),
        ),
        (
            '"ResizeNearestNeighbor" bottom: "data" resize_nearest_neighbor_param { output_height: 16 output_width: 5 }',
            lambda x: x.repeat_interleave(2, 1)[:, :, [0, 2, 4, 7, 9]],
        ),
    ],
)
def test_layers_of_converted_networks(layer, expected) -> None:  # type: ignore[no-untyped-def]
    text = inputs(data=MAP, one=(1, 8, 12, 1)) + f'layer {{ name: "x" top: "x" type: {layer} }}'
    x = random(MAP)
    values = {"data": x, "one": x.mean((0, 3), keepdim=True)}
    torch.testing.assert_close(built(text).activations(values, "x")["x"], expected(x))


def test_an_lstm_of_ctpn_reads_rows_both_ways() -> None:
    """ "Lstm", whose gates are input, forget, output and candidate, and "Reverse" along the time."""
    text = (
        inputs(data=(5, 2, 3))
        + 'layer { name: "a" type: "Lstm" bottom: "data" top: "a" lstm_param { num_output: 4 clipping_threshold: 1 } }'
        + 'layer { name: "r" type: "Reverse" bottom: "data" top: "r" reverse_param { axis: 0 } }'
        + 'layer { name: "b" type: "Lstm" bottom: "r" top: "b" lstm_param { num_output: 4 } }'
        + 'layer { name: "c" type: "Reverse" bottom: "b" top: "c" reverse_param { axis: 0 } }'
    )
    network, x = built(text), random((5, 2, 3))
    with torch.no_grad():
        expected = lstm_of_torch(network, a="", b="_reverse")(x)[0]
    values = network.activations(x, ["a", "c"])
    torch.testing.assert_close(torch.cat([values["a"], values["c"]], -1), expected)
    old = text.replace("num_output: 4 clipping", "num_output: 4 batch_size: 2 clipping")
    assert "rows (time * batch, inputs), not 5x2x3" in built(old).graph.cut["a"].sentence


def lstm_of_torch(network: Network, **endings: str) -> torch.nn.LSTM:
    """torch's own, 3 inputs and 4 features, with the numbers of layers of the network."""
    module = torch.nn.LSTM(3, 4, bidirectional=len(endings) > 1)
    rows = [*range(8), *range(12, 16), *range(8, 12)]  # torch's gates: input, forget, candidate, output
    with torch.no_grad():
        for name, ending in endings.items():
            for role, ours in (("weight_ih", "weight"), ("weight_hh", "hidden_weight"), ("bias_ih", "bias")):
                learned = network.graph.parameters[f"{name}.{ours}"]
                getattr(module, f"{role}_l0{ending}").copy_(learned[rows])
            getattr(module, f"bias_hh_l0{ending}").zero_()
    return module


def test_an_lstm_of_rows_begins_anew_where_its_clip_says_so() -> None:
    """Junhyuk Oh's own "Lstm", of (time * batch, inputs): a sequence that is cut, and two beside each other."""
    text = inputs(data=(6, 3), clip=(6, 1)) + (
        'layer { name: "a" type: "Lstm" bottom: "data" bottom: "clip" top: "a" lstm_param { num_output: 4 } }'
        'layer { name: "b" type: "Lstm" bottom: "data" top: "b" lstm_param { num_output: 4 batch_size: 2 } }'
    )
    network, x = built(text), random((6, 3))
    clip = torch.tensor([0.0, 1, 0, 1, 1, 1])[:, None]
    found = network.activations({"data": x, "clip": clip}, "a", "b")
    with torch.no_grad():
        cut = lstm_of_torch(network, a="")
        torch.testing.assert_close(found["a"], torch.cat([cut(x[:2])[0], cut(x[2:])[0]]))
        beside = lstm_of_torch(network, b="")(x.reshape(3, 2, 3))[0]
    torch.testing.assert_close(found["b"], beside.reshape(6, 4))
    several = text.replace('top: "a" lstm_param {', 'top: "a" lstm_param { batch_size: 2')
    assert "one sequence" in built(several).graph.cut["a"].sentence


def test_rings_are_pooled_without_their_middle() -> None:
    """LocNet's "RegionPooling", position by position as its C++ has it."""
    rings = np.array(
        [
            [0, 8, 4, 150, 85, 40, 20, 120, 70],
            [0, -20, -9, 40, 50, 10, 10, 30, 30],
            [0, 60, 30, 66, 33, 0, 0, 0, 0],  # smaller than what it is moved inwards
            [0, 100, 20, 300, 170, 100, 20, 300, 170],
        ],
        np.float32,
    )
    text = inputs(data=MAP, rois=rings.shape) + (
        'layer { name: "o" type: "RegionPooling" bottom: "data" bottom: "rois" top: "o" '
        "region_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.125 offset: 6 } }"
    )
    x, expected = random(MAP), np.zeros((len(rings), 8, 3, 2), np.float32)
    for n, ring in enumerate(rings):
        first = [int(np.floor((ring[i] + 7) * 0.125 + 0.5)) for i in (1, 2, 5, 6)]
        last = [int(np.ceil((ring[i] - 5) * 0.125 - 0.5)) for i in (3, 4, 7, 8)]
        for i in range(4):
            if first[i] > last[i]:
                first[i] = last[i] = int((first[i] + last[i]) / 2)
        size = [max(last[i] - first[i] + 1, 1) / cells for i, cells in ((0, 2), (1, 3))]
        for c, row, column in np.ndindex(8, 3, 2):
            for h in range(
                int(np.floor(row * size[1])) + first[1], int(np.ceil((row + 1) * size[1])) + first[1]
            ):
                for w in range(
                    int(np.floor(column * size[0])) + first[0],
                    int(np.ceil((column + 1) * size[0])) + first[0],
                ):
                    left_out = first[2] < w < last[2] and first[3] < h < last[3]
                    if 0 <= h < 12 and 0 <= w < 20 and not left_out:
                        expected[n, c, row, column] = max(expected[n, c, row, column], x[0, c, h, w])
    network = built(text)
    found = network.activations({"data": x, "rois": torch.tensor(rings)}, "o")["o"]
    assert tuple(found.shape) == network.shapes["o"]
    np.testing.assert_array_equal(found, expected)
    assert 0.5 < (expected > 0).mean() < 1, "some cells are empty"
    with pytest.raises(UnsupportedLayer, match="offset"):
        built(text.replace("offset: 6", ""))


def test_regions_are_pooled_with_a_margin() -> None:
    """MS-CNN's `pad_ratio`: as if the regions themselves were larger by so much of their sides."""
    text = inputs(data=MAP, rois=(2, 5)) + (
        'layer { name: "x" type: "ROIPooling" bottom: "data" bottom: "rois" top: "x" roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.125 %s } }'
    )
    regions = torch.tensor([[0, 24, 16, 87, 55.0], [0, 70, 30, 101, 61.0]])
    sides = 0.25 * (regions[:, 3:] - regions[:, 1:3] + 1)
    larger = torch.cat([regions[:, :1], regions[:, 1:3] - sides, regions[:, 3:] + sides], 1)
    x = random(MAP)
    padded = built(text % "pad_ratio: 0.25").activations({"data": x, "rois": regions}, "x")["x"]
    plain = built(text % "").activations({"data": x, "rois": larger}, "x")["x"]
    assert torch.equal(padded, plain)
    assert not torch.equal(padded, built(text % "").activations({"data": x, "rois": regions}, "x")["x"])
