"""The layer table: every number counted by hand on the planted network, and by the field on GoogLeNet."""

import json
from dataclasses import replace
from pathlib import Path

from convscope.formats.opening import open_network
from convscope.looking.layer_table import HEADINGS, layer_table
from convscope.network.layer import layers_of
from planted import planted_network


def test_every_cell_of_the_planted_network() -> None:
    table = layer_table(planted_network())
    assert [row.cells() for row in table.rows] == [
        ("data", "Input", "1×3×32×32", "", "1", "", ""),
        ("conv1", "Convolution + ReLU", "1×8×32×32", "8×3×5×5, 8", "5", "608", f"{32 * 32 * 8 * 75:,}"),
        ("pool1", "Pooling", "1×8×16×16", "", "6", "", ""),
        ("conv2", "Convolution + ReLU", "1×3×16×16", "3×8×3×3, 3", "10", "219", f"{16 * 16 * 3 * 72:,}"),
        ("pool2", "Pooling", "1×3×1×1", "", "40", "", ""),
        ("scores", "InnerProduct", "1×3", "3×3, 3", "40", "12", "9"),
        ("prob", "Softmax", "1×3", "", "40", "", ""),
    ]
    assert (table.parameters, table.operations) == (839, 32 * 32 * 600 + 16 * 16 * 216 + 9)


def test_text_is_aligned_and_ends_with_the_total() -> None:
    lines = str(layer_table(planted_network())).splitlines()
    assert len(lines) == 9
    assert lines[0].split("  ")[0] == "layer"
    assert all(heading in lines[0] for heading in HEADINGS)
    assert lines[-1].startswith("total") and lines[-1].endswith("669,705")
    ends = {len(line) for line in (lines[0], lines[2], lines[4], lines[-1])}
    assert len(ends) == 1  # right-aligned numbers


def test_a_name_of_two_lines_takes_one() -> None:
    table = layer_table(planted_network())
    first = replace(table.rows[1], name="two\nlines")
    lines = str(replace(table, rows=(table.rows[0], first, *table.rows[2:]))).splitlines()
    assert len(lines) == 9
    assert lines[2].startswith("two lines  Convolution")


def test_json_is_the_rows() -> None:
    rows = json.loads(layer_table(planted_network()).to_json())
    assert rows[1]["parameter_shapes"] == [[8, 3, 5, 5], [8]]
    assert rows[3]["operations"] == 16 * 16 * 216


def test_names_are_escaped_in_html() -> None:
    page = layer_table(planted_network(layer_names={"conv1": "<b>'\"&"}))._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page


def test_googlenet_has_seven_million_parameters(shared_data: Path) -> None:
    table = layer_table(open_network(shared_data / "caffe/bvlc_googlenet"))
    assert table.parameters == 6_998_552
    assert 1.5e9 < table.operations < 1.65e9  # one picture, though the file describes ten
    assert {row.name: row for row in table.rows}["conv1/7x7_s2"].operations == 112 * 112 * 64 * 147


def test_shared_parameters_count_once() -> None:
    network = planted_network()
    operations = tuple(
        replace(one, parameters={"weight": "conv1.weight", "bias": "conv1.bias"})
        if one.name == "scores"
        else one
        for one in network.graph.operations
    )
    network.__dict__["layers"] = layers_of(replace(network.graph, operations=operations), network.shapes)
    rows = {row.name: row for row in layer_table(network).rows}
    assert (rows["conv1"].parameters, rows["scores"].parameters) == (608, 0)
    assert rows["scores"].parameter_shapes == ((8, 3, 5, 5), (8,))


def test_a_narrow_table_leaves_columns_out_and_cuts_no_number() -> None:
    table = layer_table(planted_network())
    for width, left_out in ((75, set()), (66, {"learned"}), (50, {"learned", "operations"}), (36, {"kind"})):
        heading, *lines = table.to_text(width).splitlines()
        assert max(map(len, (heading, *lines))) <= width
        assert not left_out & set(heading.split())
        assert all(row.name in line for row, line in zip(table.rows, lines, strict=False))
        assert lines[-1].split()[1] == "839"
