"""Receptive fields of real networks by finite differences: all outside changes nothing, every border line does."""

from pathlib import Path

import pytest
import torch

from convscope import open_network

GOOGLENET, SQUEEZENET = "caffe/bvlc_googlenet", "caffe/squeezenet_v1.1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "layer", "place"),
    [
        (GOOGLENET, "pool1/3x3_s2", (28, 28)),
        (GOOGLENET, "inception_3b/output", (14, 14)),
        (GOOGLENET, "inception_3b/output", (0, 27)),
        (SQUEEZENET, "fire3/expand3x3", (28, 28)),
        (SQUEEZENET, "fire6/expand3x3", (7, 7)),
        (SQUEEZENET, "fire6/expand3x3", (0, 13)),
        ("builtin", "conv2", (0, 19)),
        ("builtin", "mixed3b_pool", (10, 10)),
    ],
)
def test_a_box_is_what_changes_a_unit(
    shared_data: Path, source: str, layer: str, place: tuple[int, int]
) -> None:
    network = open_network(source if source == "builtin" else shared_data / source)
    height, width = network.picture_spec.size
    field, random = network.layers[layer].receptive_field, torch.Generator().manual_seed(0)
    assert field is not None
    top, left, bottom, right = (max(0, edge) for edge in field.box(*place))
    bottom, right = min(bottom, height), min(right, width)
    picture = 50 * torch.randn(1, 3, height, width, generator=random)

    def changed(rows: slice, columns: slice, *, outside: bool = False) -> torch.Tensor:
        inside = torch.zeros(1, 1, height, width, dtype=torch.bool)
        inside[..., rows, columns] = True
        other = 200 * torch.randn(1, 3, height, width, generator=random)
        return torch.where(inside != outside, other, picture)

    rows, columns = slice(top, bottom), slice(left, right)
    borders = (
        changed(slice(top, top + 1), columns),
        changed(slice(bottom - 1, bottom), columns),
        changed(rows, slice(left, left + 1)),
        changed(rows, slice(right - 1, right)),
    )
    batch = torch.cat([picture, changed(rows, columns, outside=True), *borders])
    answers = network.activations(batch, layer)[layer][:, :, place[0], place[1]].double()
    change = (answers - answers[0]).abs().amax(1) / answers[0].abs().max()
    assert change[1] <= 3e-6  # Winograd's convolutions round by what lies beside, too
    assert (change[2:] > 1e-4).all()
