"""`caffe.draw`: a net as a picture of boxes and arrows, in Graphviz's language.

The text is written here; a PNG, SVG or PDF is made of it by Graphviz's program ``dot`` where that is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from convscope.caffe.net import Net
from convscope.caffe.proto.message import ProtoMessage
from convscope.errors import InputError, MissingPackage
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.rules import filter_layers
from convscope.formats.caffe.upgrade import upgrade

Drawable = ProtoMessage | Message | Net

BLOB_STYLE = 'shape="octagon", fillcolor="#E0E0E0", style="filled"'
NEURON_LAYER_STYLE = 'shape="record", fillcolor="#90EE90", style="filled"'
_LAYER_STYLE = 'shape="record", fillcolor="{}", style="filled"'
_COLORS = {
    "Convolution": "#FF5050",
    "Deconvolution": "#FF5050",
    "Pooling": "#FF9900",
    "InnerProduct": "#CC33FF",
}
_OTHER_COLOR = "#6495ED"
_TEXT = ("raw", "dot", "gv")


def draw_net(
    caffe_net: Drawable,
    rankdir: str = "LR",
    ext: str = "png",
    phase: int | None = None,
    display_lrm: bool = False,
) -> bytes:
    """Return the bytes of a drawing; `ext` is ``png``, ``svg``, ``pdf``, or ``dot`` for the text itself.

    `rankdir` is the direction: LR, TB or BT. `phase` leaves out the layers of the other one; `display_lrm` shows
    the learning rate multipliers. MissingPackage without Graphviz, except for the text.
    """
    text = to_dot(caffe_net, rankdir, phase=phase, display_lrm=display_lrm)
    if ext in _TEXT:
        return text.encode()
    program = shutil.which("dot")
    if program is None:
        raise MissingPackage(
            f"drawing {ext} needs Graphviz, whose program `dot` is not installed (Debian: apt install graphviz); "
            "a file that ends in .dot needs nothing"
        )
    if not ext.isalnum():
        raise InputError(f"{ext!r} is not a format that drawings have: use png, svg, pdf or dot")
    drawing = subprocess.run([program, f"-T{ext}"], input=text.encode(), capture_output=True, check=False)
    if drawing.returncode:
        reason = drawing.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"Graphviz cannot draw {ext}: {reason[0] if reason else drawing.returncode}")
    return drawing.stdout


def draw_net_to_file(
    caffe_net: Drawable,
    filename: str | PathLike[str],
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """Write a drawing in the format of the file's ending (``.dot`` and ``.raw``: the text).

    >>> caffe.draw.draw_net_to_file(net, "net.svg", rankdir="TB")
    """
    ext = Path(fspath(filename)).suffix.removeprefix(".")
    Path(filename).write_bytes(draw_net(caffe_net, rankdir, ext, phase, display_lrm))


def to_dot(
    caffe_net: Drawable,
    rankdir: str = "LR",
    *,
    label_edges: bool = True,
    phase: int | None = None,
    display_lrm: bool = False,
) -> str:
    """Return a net in Graphviz's language: a box a layer, an octagon a blob, numbers of outputs on the arrows."""
    net = caffe_net._net if isinstance(caffe_net, Net) else caffe_net
    net = upgrade(net.message if isinstance(net, ProtoMessage) else net)
    if phase is not None:
        net = filter_layers(net, "TEST" if phase else "TRAIN")
    if rankdir not in ("LR", "RL", "TB", "BT"):
        raise InputError(f"the direction is LR, RL, TB or BT, not {rankdir!r}")
    lines = [f"digraph {_quoted(net.name or 'Net')} {{", f"  rankdir={rankdir};"]
    nodes: dict[str, str] = {}
    edges: list[str] = []
    for layer in net.layer:
        node = f"{layer.name}_{layer.type}"
        nodes[node] = f"{_label(layer, rankdir, display_lrm)}, {_style(layer)}"
        for blob in layer.bottom:
            nodes[f"{blob}_blob"] = f"label={_quoted(blob)}, {BLOB_STYLE}"
            edges.append(f"  {_quoted(f'{blob}_blob')} -> {_quoted(node)};")
        label = f" [label={_quoted(_edge_label(layer))}]" if label_edges and _edge_label(layer) else ""
        for blob in layer.top:
            nodes.setdefault(f"{blob}_blob", f"label={_quoted(blob)}, {BLOB_STYLE}")
            edges.append(f"  {_quoted(node)} -> {_quoted(f'{blob}_blob')}{label};")
    lines += [f"  {_quoted(node)} [{settings}];" for node, settings in nodes.items()]
    return "\n".join([*lines, *edges, "}"]) + "\n"


def __getattr__(name: str) -> Any:
    hint = ": to_dot gives the text and draw_net the picture" if name == "get_pydot_graph" else ""
    raise AttributeError(f"caffe.draw has no {name!r}{hint}")


def _style(layer: Message) -> str:
    if len(layer.bottom) == len(layer.top) == 1 and layer.bottom[0] == layer.top[0]:
        return NEURON_LAYER_STYLE
    return _LAYER_STYLE.format(_COLORS.get(layer.type, _OTHER_COLOR))


def _label(layer: Message, rankdir: str, display_lrm: bool) -> str:
    kind = f"{layer.type} {layer.pooling_param.pool}" if layer.type == "Pooling" else layer.type
    words = [layer.name or "", f"({kind})", *_window(layer)]
    if display_lrm and layer.type in ("Convolution", "Deconvolution", "InnerProduct"):
        rates = [spec.lr_mult for spec in layer.param[:2]]
        rates += [1.0] * (2 - len(rates))
        words.append(f"lr mult: {rates[0]:.1f}, {rates[1]:.1f}")
    # Where the net runs down the page there is room beside a word, else below it.
    return f"label={_quoted((' ' if rankdir in ('TB', 'BT') else chr(10)).join(words))}"


def _window(layer: Message) -> list[str]:
    if layer.type == "Pooling":
        sizes = layer.pooling_param
        if sizes.global_pooling:
            return ["global"]
        return [
            f"kernel size: {_size(sizes, 'kernel')}",
            f"stride: {_size(sizes, 'stride')}",
            f"pad: {_size(sizes, 'pad')}",
        ]
    if layer.type in ("Convolution", "Deconvolution"):
        sizes = layer.convolution_param
        return [
            f"kernel size: {_size(sizes, 'kernel')}",
            f"stride: {_size(sizes, 'stride')}",
            f"pad: {_size(sizes, 'pad')}",
        ]
    return []


def _size(sizes: Message, name: str) -> str:
    if sizes.has(f"{name}_h") or sizes.has(f"{name}_w"):
        return f"{getattr(sizes, f'{name}_h')}x{getattr(sizes, f'{name}_w')}"
    value = getattr(sizes, "kernel_size" if name == "kernel" else name)
    if isinstance(value, Iterable):
        value = "x".join(map(str, value)) or (0 if name == "pad" else 1)
    return str(value)


def _edge_label(layer: Message) -> str:
    if layer.type in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    return f"Batch {layer.data_param.batch_size}" if layer.type == "Data" else ""


def _quoted(text: str) -> str:
    """Return text as Graphviz's language quotes it; in a box's label, braces and bars would cut it in cells."""
    escaped = re.sub(r'(["\\{}|<>])', r"\\\1", text)
    return '"' + escaped.replace("\n", r"\n") + '"'
