"""Regions of Cascade R-CNN and MNC: their C++, written down again number by number."""

# ruff: noqa: E501  a layer is a line of text

import numpy as np
import pytest
import torch

from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.formats.caffe.upgrade import upgrade
from convscope.network.operations import OPERATIONS
from formats.caffe.test_forks import MAP, built, inputs, random

pytestmark = pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")

ROIS = np.array(
    [
        [0, 3.0, 2.0, 60.0, 70.0],
        [0, 90.5, 10.25, 151.0, 95.0],
        [0, 15.0, 15.0, 15.0, 15.0],
        [0, 100, 20, 300, 170],
        [0, -30, -9, 40, 50],
        [0, 50, 40, 20, 60],  # ends before it begins
    ],
    np.float32,
)
CASCADE = 'layer { name: "p" type: "BoxGroupOutput" bottom: "scores" bottom: "moves" top: "p" box_group_output_param { %s } %s }'


def between(map: np.ndarray, h: float, w: float) -> float:
    """``bilinear_interpolate`` of MNC's .cu files, and what Cascade R-CNN's ROIAlign does at a crossing."""
    height, width = map.shape
    if h < -0.5 or h > height - 0.5 or w < -0.5 or w > width - 0.5:
        return 0.0
    h, w = max(h, 0.0), max(w, 0.0)
    h_low, w_low = int(h), int(w)
    if h_low >= height - 1:
        h_high = h_low = h = height - 1
    else:
        h_high = h_low + 1
    if w_low >= width - 1:
        w_high = w_low = w = width - 1
    else:
        w_high = w_low + 1
    lh, lw = h - h_low, w - w_low
    return float(
        (1 - lh) * (1 - lw) * map[h_low, w_low]
        + (1 - lh) * lw * map[h_low, w_high]
        + lh * (1 - lw) * map[h_high, w_low]
        + lh * lw * map[h_high, w_high]
    )


def test_the_crossings_of_a_grid_are_cascade_rcnns() -> None:
    text = (
        inputs(data=MAP, rois=ROIS.shape, scores=(2, 2, 3, 4), moves=(2, 4, 3, 4))
        + 'layer { name: "o" type: "ROIAlign" bottom: "data" bottom: "rois" top: "o" roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.125 pad_ratio: 0.25 } }'
    )
    beside = CASCADE % ("box_group_param { field_w: 8 field_h: 8 field_w: 9 field_h: 9 stride: 8 }", "")
    alone = build_graph(upgrade(read_text(text + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }')))
    assert "forks mean different things" in alone.cut["o"].sentence
    x, expected = random(MAP), np.zeros((len(ROIS), 8, 4, 3), np.float32)
    for n, (_, left, top, right, bottom) in enumerate(ROIS):
        pad_w, pad_h = (right - left + 1) * 0.25, (bottom - top + 1) * 0.25
        start = np.array([top - pad_h, left - pad_w]) * 0.125 - 0.5
        extent = np.array([bottom + pad_h, right + pad_w]) * 0.125 - 0.5 - start
        for c, ph, pw in np.ndindex(8, 4, 3):
            if min(extent) > 0:
                place = start[0] + ph * extent[0] / 3, start[1] + pw * extent[1] / 2
                expected[n, c, ph, pw] = between(x[0, c].numpy(), *place)
    network = built(text + beside)
    found = network.activations({"data": x, "rois": torch.tensor(ROIS)}, "o")["o"]
    assert tuple(found.shape) == network.shapes["o"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0.3 < (expected != 0).mean() < 0.7, "some crossings lie outside"


def test_warped_regions_and_resized_masks_are_mncs() -> None:
    text = inputs(data=MAP, rois=ROIS.shape) + (
        'layer { name: "w" type: "ROIWarping" bottom: "data" bottom: "rois" top: "w" roi_warping_param { pooled_h: 3 pooled_w: 4 spatial_scale: 0.125 } }'
        'layer { name: "m" type: "MaskResize" bottom: "data" top: "m" mask_resize_param { output_height: 50 output_width: 7 } }'
        'layer { name: "f" type: "MaskResize" bottom: "data" top: "f" mask_resize_param { output_height: 1 output_width: 1 factor_height: 0.3 factor_width: 0.125 } }'
        'layer { name: "q" type: "MaskPooling" bottom: "w" bottom: "one" top: "q" }'
    )
    text = inputs(one=(len(ROIS), 1, 3, 4)) + text
    x, one = random(MAP), random((len(ROIS), 1, 3, 4), seed=2)
    warped = np.zeros((len(ROIS), 8, 3, 4))
    for n, roi in enumerate(ROIS):
        left, top, right, bottom = (float(np.copysign(np.floor(abs(v) + 0.5), v)) for v in roi[1:] * 0.125)
        down, across = max(bottom - top, 0) / 3, max(right - left, 0) / 4
        for c, ph, pw in np.ndindex(8, 3, 4):
            warped[n, c, ph, pw] = between(x[0, c].numpy(), top + ph * down, left + pw * across)
    network = built(text)
    values = {"data": x, "rois": torch.tensor(ROIS), "one": one}
    found = network.activations(values, "w", "m", "f", "q")
    np.testing.assert_allclose(found["w"], warped, atol=1e-5)
    np.testing.assert_allclose(found["q"], warped * one.numpy(), atol=5e-6)
    for name, (rows, columns) in (("m", (50, 7)), ("f", (3, 2))):
        resized = np.zeros((1, 8, rows, columns))
        for c, h, w in np.ndindex(8, rows, columns):
            resized[0, c, h, w] = between(x[0, c].numpy(), h * 12 / rows, w * 20 / columns)
        np.testing.assert_allclose(found[name], resized, atol=1e-5)
    assert not found["m"][0, 0, -1].any(), "as the fork has it: more than half a position behind the last one"


@pytest.mark.parametrize("tops", [1, 2])
def test_proposals_from_maps_are_cascade_rcnns(tops: int) -> None:
    words = (
        "fg_thr: 0.3 iou_thr: 0.5 field_whr: 3 field_xyr: 1.5 max_nms_num: 25 max_post_nms_num: 9 min_size: 11 "
        "box_group_param { field_w: 30 field_w: 16 field_h: 15 field_h: 40 stride: 8 } "
        "box_group_param { field_w: 60 field_h: 50 stride: 16 }"
    )
    second = 'top: "s" ' if tops == 2 else ""
    text = inputs(scores=(4, 2, 5, 6), moves=(4, 4, 5, 6), high=(2, 2, 3, 3), wide=(2, 4, 3, 3)) + (
        'layer { name: "p" type: "BoxGroupOutput" bottom: "scores" bottom: "moves" bottom: "high" bottom: "wide" top: "p" '
        f"{second} box_group_output_param {{ {words} }} bbox_reg_param {{ {'bbox_mean: 0.1 ' * 4} "
        "bbox_std: 0.4 bbox_std: 0.5 bbox_std: 0.6 bbox_std: 0.7 } }"
    )
    network = built(text)
    values = {name: random(network.shapes[name], seed) for seed, name in enumerate(network.graph.inputs)}
    values |= {name: values[name].sigmoid() for name in ("scores", "high")}
    groups = [("scores", "moves", [(30, 15), (16, 40)], 8), ("high", "wide", [(60, 50)], 16)]
    expected = []
    for picture in range(2):
        boxes = []
        for scores, moves, fields, stride in groups:
            rows, columns = values[scores].shape[2:]
            for k, (fw, fh) in enumerate(fields):
                i = picture * len(fields) + k
                for h, w in np.ndindex(rows, columns):
                    score = 1 - float(values[scores][i, 0, h, w])
                    bbx, bby, bbw, bbh = (
                        float(values[moves][i, j, h, w]) * std + 0.1
                        for j, std in enumerate((0.4, 0.5, 0.6, 0.7))
                    )
                    bbx, bby = (min(max(v, -1 / 1.5), 1 / 1.5) for v in (bbx, bby))
                    bbw, bbh = (min(max(v, np.log(1 / 3)), np.log(3)) for v in (bbw, bbh))
                    bw, bh = fw * np.exp(bbw), fh * np.exp(bbh)
                    x, y = bbx * fw + (w + 0.5) * stride - bw / 2, bby * fh + (h + 0.5) * stride - bh / 2
                    box = (
                        max(x, 0),
                        max(y, 0),
                        min(x + bw - 1, columns * stride),
                        min(y + bh - 1, rows * stride),
                    )
                    if score >= 0.3 and box[2] - box[0] + 1 >= 11 and box[3] - box[1] + 1 >= 11:
                        boxes.append((score, *box))
        boxes = sorted(boxes, reverse=True)[:25]
        kept: list[tuple[float, ...]] = []
        for score, *box in boxes:
            overlaps = []
            for _, *other in kept:
                sides = [min(box[j + 2], other[j + 2]) - max(box[j], other[j]) for j in (0, 1)]
                common = 0.0 if sides[0] < 0 or sides[1] <= 0 else (sides[0] + 1) * (sides[1] + 1)
                area, larger = ((b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, other))
                overlaps.append(common / (area + larger - common))
            if max(overlaps, default=0) <= 0.5:
                kept.append((score, *box))
        assert 9 < len(kept) < len(boxes) == 25, "each limit does something"
        expected += [[picture, *box, score] for score, *box in kept[:9]]
    found = network.activations(values, "p", *(["s"] if tops == 2 else []))
    np.testing.assert_allclose(found["p"].flatten(1), np.array(expected)[:, :5], atol=1e-3)
    if tops == 2:
        np.testing.assert_allclose(found["s"].flatten(1), expected, atol=1e-3)
        nothing = network.activations(
            values | {n: torch.ones_like(values[n]) for n in ("scores", "high")}, "p", "s"
        )
        assert nothing["p"].flatten().tolist() == [0, 1, 1, 10, 10]
        assert nothing["s"].flatten().tolist() == [0] * 6


def test_regions_are_moved_and_chosen_by_size_as_cascade_rcnn_does() -> None:
    rois = np.array(
        [[0, 4, 6, 40, 70], [1, 100, 20, 130, 44], [0, 9, 9, 19, 200], [0, 5, 5, 4, 90]], np.float32
    )
    text = inputs(moves=(4, 8), rois=(4, 5, 1, 1)) + (
        'layer { name: "d" type: "DecodeBBox" bottom: "moves" bottom: "rois" top: "d" bbox_reg_param { bbox_mean: 0.2 bbox_mean: 0 bbox_mean: 0 bbox_mean: -0.1 bbox_std: 0.1 bbox_std: 0.1 bbox_std: 0.2 bbox_std: 0.3 } }'
        'layer { name: "low" type: "ScaleRoute" bottom: "rois" top: "low" scale_route_param { high_scale: 30 } }'
        'layer { name: "mid" type: "ScaleRoute" bottom: "rois" top: "mid" scale_route_param { low_scale: 30 high_scale: 46 } }'
        'layer { name: "none" type: "ScaleRoute" bottom: "rois" top: "none" scale_route_param { low_scale: 60 } }'
        'layer { name: "c" type: "InnerProduct" bottom: "mid" top: "c" inner_product_param { num_output: 3 } }'
    )
    network, moves = built(text), random((4, 8))
    found = network.activations(
        {"moves": moves, "rois": torch.tensor(rois)[:, :, None, None]}, "d", "low", "mid", "none", "c"
    )
    for row, (number, left, top, right, bottom), move in zip(
        found["d"].flatten(1), rois, moves.numpy(), strict=True
    ):
        bx, by = move[4] * 0.1 + 0.2, move[5] * 0.1
        tw, th = (right - left + 1) * np.exp(move[6] * 0.2), (bottom - top + 1) * np.exp(move[7] * 0.3 - 0.1)
        tx = bx * (right - left + 1) + 0.5 * (left + right) - (tw - 1) / 2
        ty = by * (bottom - top + 1) + 0.5 * (top + bottom) - (th - 1) / 2
        np.testing.assert_allclose(row, [number, tx, ty, tx + tw - 1, ty + th - 1], rtol=1e-4, atol=1e-4)
    for name, chosen in {
        "low": [1, 3],
        "mid": [2],
        "none": [0],
    }.items():  # roots of areas: 49.04, 27.84, 45.96, 0
        assert found[name].flatten(1).tolist() == rois[chosen].tolist(), name
    assert found["c"].shape == (1, 3)


def test_gradients_through_warped_regions() -> None:
    x, rois = random((1, 2, 6, 7)).double().requires_grad_(), torch.tensor(ROIS, dtype=torch.float64)
    for kind, attributes in (
        ("sample_regions", {"cells": (2, 3), "scale": 0.06}),
        ("warp_regions", {"size": (2, 3), "scale": 0.06}),
    ):
        assert torch.autograd.gradcheck(lambda x: OPERATIONS[kind](x, rois, **attributes), (x,))  # noqa: B023
    assert torch.autograd.gradcheck(lambda x: OPERATIONS["resize_from_corner"](x, size=(9, 3)), (x,))


def box_iou(one: list[float], other: list[float]) -> float:
    """``BoxIOU`` of MS-CNN's math_functions.cpp, of (x, y, w, h)."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = one, other
    if min(w1, h1, w2, h2) <= 0:
        return 0.0
    left, top, right, bottom = max(x1, x2), max(y1, y2), min(x1 + w1, x2 + w2), min(y1 + h1, y2 + h2)
    over = 0.0 if left >= right or top >= bottom else (right - left) * (bottom - top)
    return over / (w1 * h1 + w2 * h2 - over)


@pytest.mark.parametrize("tops", [1, 2])
def test_proposals_from_score_maps_are_mscnns(tops: int) -> None:
    words = (
        "fg_thr: -1.5 iou_thr: 0.45 field_whr: 3 field_xyr: 1.5 max_nms_num: 25 max_post_nms_num: 7 min_size: 11 "
        "field_w: 30 field_w: 16 field_w: 60 field_h: 15 field_h: 40 field_h: 50 downsample_rate: 8 downsample_rate: 8 "
        "downsample_rate: 16"
    )
    second = 'top: "s" ' if tops == 2 else ""
    shapes = {"a": (2, 7, 5, 6), "b": (2, 6, 5, 6), "c": (2, 8, 3, 3)}
    text = inputs(**shapes) + (
        f'layer {{ name: "p" type: "BoxOutput" bottom: "a" bottom: "b" bottom: "c" top: "p" {second}'
        f"box_output_param {{ {words} }} bbox_reg_param {{ {'bbox_mean: 0.1 ' * 4} "
        "bbox_std: 0.4 bbox_std: 0.5 bbox_std: 0.6 bbox_std: 0.7 } }"
    )
    network = built(text)
    values = {name: random(shape, seed) for seed, (name, shape) in enumerate(shapes.items())}
    scales = [("a", 30, 15, 8), ("b", 16, 40, 8), ("c", 60, 50, 16)]
    expected = []
    for picture in range(2):
        boxes: list[tuple[float, int, list[float]]] = []
        for name, fw, fh, rate in scales:
            map = values[name][picture].double().numpy()
            classes, rows, columns = len(map) - 4, *map.shape[1:]
            for h, w in np.ndindex(rows, columns):
                score = max(map[1:classes, h, w]) - map[0, h, w]
                moves = [map[classes + j, h, w] * std + 0.1 for j, std in enumerate((0.4, 0.5, 0.6, 0.7))]
                x, y = (min(max(v, -1 / 1.5), 1 / 1.5) for v in moves[:2])
                bw, bh = (
                    np.exp(min(max(v, np.log(1 / 3)), np.log(3))) * f
                    for v, f in zip(moves[2:], (fw, fh), strict=True)
                )
                x, y = x * fw + (w + 0.5) * rate - bw / 2, y * fh + (h + 0.5) * rate - bh / 2
                x, y = max(x, 0), max(y, 0)
                bw, bh = min(bw, columns * rate - x), min(bh, rows * rate - y)
                if score >= -1.5 and min(bw, bh) >= 11:
                    boxes.append((score, len(boxes), [x, y, bw, bh]))
        best = sorted(boxes, reverse=True)[:25]
        kept: list[tuple[float, list[float]]] = []
        for score, _, box in best:
            if all(box_iou(other, box) <= 0.45 for _, other in kept):
                kept.append((score, box))
        assert 7 < len(kept) < len(best) == 25 < len(boxes), "each limit does something"
        expected += [[picture, x, y, x + w, y + h, score] for score, (x, y, w, h) in kept[:7]]
    found = network.activations(values, "p", *(["s"] if tops == 2 else []))
    np.testing.assert_allclose(found["p"].flatten(1), np.array(expected)[:, :5], atol=1e-3)
    if tops == 2:
        np.testing.assert_allclose(found["s"].flatten(1), expected, atol=1e-3)
        low = {name: value.clone() for name, value in values.items()}
        for value in low.values():
            value[:, 0] = 99.0
        nothing = network.activations(low, "p", "s")
        assert nothing["p"].flatten().tolist() == [0, 1, 1, 10, 10]
        assert nothing["s"].flatten().tolist() == [0] * 6


def test_of_equal_scores_the_last_one_is_first() -> None:
    """As ``std::sort`` by pairs of (score, index) has them, from the largest down."""
    text = inputs(a=(1, 6, 1, 3)) + (
        'layer { name: "p" type: "BoxOutput" bottom: "a" top: "p" box_output_param { field_w: 20 field_h: 20 '
        "downsample_rate: 40 min_size: 1 } }"
    )
    maps = torch.zeros(1, 6, 1, 3)
    maps[0, 1, 0] = torch.tensor([1.0, 1.0, 2.0])
    found = built(text).activations(maps, "p")["p"].flatten(1)
    assert found[:, 1].tolist() == [90, 50, 10]


def test_means_over_regions_are_ccnns() -> None:
    """``ROIPoolForwardAve``, for regions beyond the picture and without area too."""
    text = inputs(data=MAP, rois=ROIS.shape) + (
        'layer { name: "o" type: "ROIPooling" bottom: "data" bottom: "rois" top: "o" '
        "roi_pooling_param { pooled_h: 3 pooled_w: 4 spatial_scale: 0.125 pool: AVE } }"
    )
    x = random(MAP)
    found = built(text).activations({"data": x, "rois": torch.from_numpy(ROIS)}, "o")["o"].numpy()
    height, width = MAP[2:]
    for n, (_, x1, y1, x2, y2) in enumerate(ROIS):
        left, top, right, bottom = (
            int(np.floor(abs(v * 0.125) + 0.5) * np.sign(v)) for v in (x1, y1, x2, y2)
        )
        high, wide = (
            np.float32(max(bottom - top + 1, 1)) / np.float32(3),
            np.float32(max(right - left + 1, 1)) / np.float32(4),
        )
        for ph, pw in np.ndindex(3, 4):
            rows = [
                min(max(int(v) + top, 0), height) for v in (np.floor(ph * high), np.ceil((ph + 1) * high))
            ]
            columns = [
                min(max(int(v) + left, 0), width) for v in (np.floor(pw * wide), np.ceil((pw + 1) * wide))
            ]
            cell = x[0, :, rows[0] : rows[1], columns[0] : columns[1]].double().numpy()
            mean = cell.mean((1, 2)) if cell.size else np.zeros(MAP[1])
            np.testing.assert_allclose(found[n, :, ph, pw], mean, atol=1e-5)
