"""`open_network`: a model in any form goes in, a Network comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from convscope.errors import InputError, NetworkFileError
from convscope.network.labels import read_labels
from convscope.network.network import Network
from convscope.network.parameters import Shape
from convscope.sources.caffe.means import read_mean
from convscope.sources.caffe.opening import CAFFE_SUFFIXES, find_caffe_files, open_caffe
from convscope.sources.plain import BUILTIN, PLAIN_SUFFIXES, open_builtin, open_plain


def open_network(
    source: str | Path,
    *,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
    labels: str | Path | Sequence[str] | None = None,
    input_shape: Shape | None = None,
    rules: Mapping[str, Any] | None = None,
    **preprocessing: Any,
) -> Network:
    """Open a network from its file or its folder, with its weights, its labels and what it eats.

    `source` is a Caffe ``.prototxt``, ``.caffemodel`` or ``.caffemodel.h5`` of any age, the folder that holds them,
    a file in convscope's own format, or ``"builtin"``, the small network that comes with convscope. What is not
    named (`weights`, `labels`, a mean file) is looked for beside it. Further keywords overrule single fields of the
    network's `InputSpec` (``channel_order="RGB"``, ``mean=(104, 117, 123)``); `input_shape` is for networks that do
    not say how big their input is, `rules` for Caffe networks whose layers depend on them:
    ``{"phase": "TRAIN", "level": 1, "stages": ["deploy"]}``.

    >>> network = open_network("bvlc_googlenet/")
    >>> network.layers["conv1/7x7_s2"].shape
    (10, 64, 112, 112)

    Raises NetworkFileError, WeightsMismatch or UnsupportedLayer, each a line that says what to do. No code from
    the file is ever run.
    """
    network = _opened(source, weights, input_shape, device, rules or {})
    options = {"labels": labels, "input_shape": input_shape, "rules": rules, **preprocessing}
    given = {name: value for name, value in options.items() if value is not None}
    network.origin = replace(network.origin, options=given)
    if labels is None and source != BUILTIN:
        labels = _labels_beside(Path(network.origin.source))
    if labels is not None:
        _label(network, labels)
    if preprocessing:
        if network.input_spec is None:
            raise InputError(
                f"{source} eats no picture, so there is nothing to prepare for it: {sorted(preprocessing)}"
            )
        mean = preprocessing.get("mean")
        file = Path(mean).expanduser() if isinstance(mean, str | Path) else None
        changes = {name: value for name, value in preprocessing.items() if not (file and name == "mean")}
        spec = network.input_spec.replace(**changes)
        if file:
            network.origin = replace(network.origin, files=(*network.origin.files, file))
            spec = spec.with_mean(read_mean(file), because=f"mean file {file.name}")
        network.input_spec = spec
    return network


def _opened(
    source: str | Path,
    weights: str | Path | None,
    input_shape: Shape | None,
    device: str | torch.device,
    rules: Mapping[str, Any],
) -> Network:
    """Open the network with what its own files say, in the format its name's ending tells."""
    if source == BUILTIN:
        return open_builtin(device)
    path = Path(source).expanduser()
    try:
        exists = path.exists()
    except (OSError, ValueError):  # a name no file can have
        exists = False
    if not exists:
        raise NetworkFileError(f"{source}: there is no such file or folder; {BUILTIN!r} is always there")
    if path.is_dir():
        path, found = find_caffe_files(path)
        weights = weights if weights is not None else found
    if path.name.endswith(CAFFE_SUFFIXES):
        if unknown := set(rules) - {"phase", "level", "stages"}:
            raise InputError(f"rules are phase, level and stages; found {sorted(unknown)}")
        return open_caffe(path, weights=weights, input_shape=input_shape, device=device, **rules)
    if path.name.endswith(PLAIN_SUFFIXES):
        return open_plain(path, device)
    possible = ", ".join((*CAFFE_SUFFIXES, *PLAIN_SUFFIXES))
    raise NetworkFileError(
        f"{source}: convscope opens Caffe networks and its own ({possible}); this ends otherwise"
    )


def _labels_beside(path: Path) -> Path | None:
    """Return the file of labels beside a network: its own name's first, then the usual ones."""
    names = (f"{path.name.partition('.')[0]}.labels.txt", "labels.txt", "synset_words.txt")
    return next((file for name in names if (file := path.with_name(name)).is_file()), None)


def _label(network: Network, labels: str | Path | Sequence[str]) -> None:
    """Give a network's classes their names; InputError when they are not as many as the classes."""
    place = "given"
    if isinstance(labels, str | Path):
        place = f"in {labels}"
        network.origin = replace(network.origin, files=(*network.origin.files, Path(labels)))
        labels = read_labels(labels)
    if network.class_count not in (None, len(labels)):
        classes = f"{network.name} tells {network.class_count} classes apart"
        raise InputError(f"there are {len(labels)} labels {place}, but {classes}")
    network.labels = tuple(labels)
