"""convscope's own format: the graph as JSON in a safetensors file, beside its weights. Reading it runs no code.

The file's metadata has, each as JSON: ``name``; ``operations``, a list of objects with kind, name, type_name, inputs,
outputs, parameters, attributes and in_place, in the order they run; ``labels``; and ``input``, the fields of an
`InputSpec`, or null. It may have ``inputs`` (name to shape), ``outputs`` and ``aliases``; without them they follow from
the operations. With ``channels_last`` the channels of its values are their last axis; ``constants`` are values that are
no layers, ``output_names`` what outputs are called besides; ``cut`` are values that are not computed, each with the
fields of a `CutLayer`. Weights may be in half precision; they are computed with in single precision. A mean picture is
the tensor ``input.mean``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from importlib.resources import files
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor

from convscope.errors import ConvscopeError, InputError, NetworkFileError
from convscope.files import COPIED_BYTES, parsed_json, require_regular, require_text_name, saved
from convscope.formats.given_shapes import given_shapes
from convscope.formats.graph_builder import BARE_ERRORS
from convscope.formats.json_types import Each, require
from convscope.formats.network_parts import NetworkParts
from convscope.formats.packed_weights import require_unpacked
from convscope.formats.registration import opened_kind, saved_kind
from convscope.formats.request import Request
from convscope.network.cut import CutLayer
from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import GUESS, InputSpec
from convscope.network.network import Network
from convscope.network.operations import OPERATIONS
from convscope.network.origin import Origin
from convscope.network.parameters import Parameters, Shape
from convscope.network.shapes import infer_operation

BUILTIN = "builtin"
MEAN = "input.mean"
_BUILTIN_FILE = "builtin.safetensors"
FORMER_KINDS = {
    "count_up": "arange",
    "numbers": "tensor",
    "of_size": "assert_shape",
    "raise_to": "pow",
    "sized": "dynamic_shape",
    "stored": "initializer",
    "written": "view_scatter",
}
"""What operations were called in files that were saved before, and are called now."""
_SCHEMA = {
    "name?": str,
    "operations": [
        {
            **dict.fromkeys(("kind", "name", "type_name"), str),
            "inputs": [str],
            "outputs": [str],
            "parameters": Each(str),
            "attributes": Each(object),
            "in_place?": bool,
        }
    ],
    "input": (
        None,
        {
            "size": [int],
            "channel_order": str,
            "layout?": str,
            "raw_scale?": float,
            "mean?": (str, float, [float]),
            "input_scale?": (float, [float]),
            "resize?": str,
            "resize_size?": (int, None),
            "antialias?": bool,
            "crops?": int,
        },
    ),
    "inputs?": Each([int]),
    "outputs?": [str],
    "constants?": [str],
    "ends?": [str],
    **dict.fromkeys(("aliases?", "output_names?", "guesses?"), Each(str)),
    "channels_last?": bool,
    "cut?": Each(Each(object)),
    "labels?": (None, [str]),
}
"""What the metadata is, see the top of this file."""
_FIELDS = [item.name for item in fields(InputSpec) if item.name not in ("provenance", "transform")]
_OPERATION = [item.name for item in fields(Operation) if item.name != "definition"]


def open_builtin(request: Request) -> NetworkParts:
    """Read the network that comes with convscope; its model card is ``training/README.md`` in the repository."""
    request.refuse("weights", "rules", "architecture", because="it has its own")
    path = Path(str(files("convscope") / "networks" / _BUILTIN_FILE))
    parts = open_native(replace(request, source=path))
    # Whichever variant is shipped, that is its name.
    return replace(parts, graph=replace(parts.graph, name=BUILTIN), origin=Origin(BUILTIN, files=(path,)))


def open_native(request: Request) -> NetworkParts:
    """Read a network in convscope's own format; NetworkFileError says what is wrong with one that is damaged."""
    path = request.path
    request.refuse("weights", "rules", because="all of the network is in its file")
    try:
        # Where it is large it stays open: weights are read when they are asked for.
        require_regular(path)
        require_text_name(path, "safetensors")
        file: Any = safe_open(path, framework="pt")
        copied = load(path.read_bytes()) if path.stat().st_size <= COPIED_BYTES else None
        file_metadata = file.metadata() or {}
        metadata = (
            {key: parsed_json(text) for key, text in file_metadata.items()}
            if "operations" in file_metadata
            else {}
        )
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise NetworkFileError(f"{path} is not a network in convscope's format: {error}") from error
    if "operations" not in metadata or "input" not in metadata:
        require_unpacked(shapes, path)
        first = ", ".join(list(shapes)[:3])
        tensors = f"{len(shapes):,} {'tensor' if len(shapes) == 1 else 'tensors'}: {first}"
        more = " ..." if len(shapes) > 3 else ""
        raise NetworkFileError(
            f"{path} holds weights ({tensors}{more}) and no network: nothing in it says what to compute with them. "
            "Say which network they are for with architecture (--architecture): torchvision:NAME, timm:NAME, or your "
            "own FILE.py:CLASS"
        )
    require(metadata, _SCHEMA, f"{path} describes its network wrongly: it")
    try:
        read_tensor = file.get_tensor if copied is None else copied.__getitem__
        parameters = Parameters(shapes, lambda key: read_tensor(key).float())
        spec = (
            None
            if metadata["input"] is None
            else _input_spec(metadata["input"], metadata.get("guesses", {}), parameters)
        )
        graph = _graph(metadata, spec, parameters)
        if path.name != _BUILTIN_FILE:
            _require_runnable(graph)
    except (*BARE_ERRORS, ConvscopeError) as error:
        raise NetworkFileError(f"{path} describes its network wrongly: {error}") from error
    _require_saved_shape(request, graph)
    return NetworkParts(graph, Origin(str(path), files=(path,)), spec, metadata.get("labels"))


def _require_saved_shape(request: Request, graph: Graph) -> None:
    """InputError for another size than the network was saved with: what it computes may hang on that."""
    for name, given in given_shapes(request.input_shape, graph.inputs).items():
        if given != (saved := graph.inputs[name]):
            raise InputError(
                f"its input {name!r} is {saved}, as it was saved, not {given}: open what it was saved from so"
            )


def _input_spec(fields: dict[str, Any], guesses: dict[str, str], parameters: Parameters) -> InputSpec:
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    if plain.get("mean") == MEAN:
        plain["mean"] = parameters.fresh(MEAN).numpy()
    provenance = dict.fromkeys([*plain, "layout", "raw_scale", "resize", "crops"], "the file")
    guessed = {name: reason for name, reason in guesses.items() if reason.startswith(GUESS)}
    return InputSpec(**plain, provenance=provenance | guessed)


def _graph(metadata: dict[str, Any], spec: InputSpec | None, parameters: Parameters) -> Graph:
    operations = tuple(_operation(fields, parameters) for fields in metadata["operations"])
    values = [value for operation in operations for value in operation.outputs]
    made = set(values)
    read = dict.fromkeys(value for operation in operations for value in operation.inputs)
    inputs = {name: tuple(map(int, shape)) for name, shape in metadata.get("inputs", {}).items()}
    if not inputs and spec is not None:
        inputs = {value: spec.shape for value in read if value not in made}
    if set(read) - made - set(inputs) or len(made) != len(values):
        raise InputError(
            f"every value is made once; inputs are {sorted(inputs)}, but {sorted(set(read) - made)} are read"
        )
    outputs = metadata.get("outputs", [value for value in values if value not in read])
    names = {*inputs, *values, *metadata.get("cut", {})}
    targets = [*outputs, *metadata.get("aliases", {}).values(), *metadata.get("constants", ())]
    if strange := [value for value in targets if value not in names]:
        raise InputError(f"it names a value {strange[0]!r}, which nothing makes")
    return Graph(
        name=str(metadata.get("name", "")),
        inputs=inputs,
        operations=operations,
        outputs=tuple(outputs),
        parameters=parameters,
        aliases=metadata.get("aliases", {}),
        channels_last=bool(metadata.get("channels_last", False)),
        constants=frozenset(metadata.get("constants", ())),
        cut={value: CutLayer(**fields) for value, fields in metadata.get("cut", {}).items()},
        output_names=metadata.get("output_names", {}),
        ends=frozenset(metadata.get("ends", ())),
    )


def _operation(fields: dict[str, Any], parameters: Parameters) -> Operation:
    fields = _in_todays_names(fields)
    if fields["kind"] not in OPERATIONS:
        raise InputError(f"no operation is called {fields['kind']!r}")
    if missing := set(fields["parameters"].values()) - set(parameters):
        raise InputError(f"operation {fields['name']!r} needs {sorted(missing)}, which are not in the file")
    attributes = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields["attributes"].items()
    }
    inputs, outputs = tuple(fields["inputs"]), tuple(fields["outputs"])
    operation = Operation(
        kind=fields["kind"],
        name=fields["name"],
        type_name=fields["type_name"],
        inputs=inputs,
        outputs=outputs,
        parameters=fields["parameters"],
        attributes=attributes,
        in_place=bool(fields.get("in_place", False)),
    )
    # A keyword that the operation does not take, or lacks, is told here and not by Python when it runs.
    signature(OPERATIONS[operation.kind]).bind(*inputs, **operation.parameters, **operation.keywords)
    return operation


def _in_todays_names(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an operation of a saved file with its kind, and the kind it applies, as they are called today."""
    attributes = dict(fields["attributes"])
    if isinstance(applied := attributes.get("kind"), str):
        attributes["kind"] = FORMER_KINDS.get(applied, applied)
    kind = opened_kind(FORMER_KINDS.get(fields["kind"], fields["kind"]))
    return {**fields, "kind": kind, "attributes": attributes}


def _require_runnable(graph: Graph) -> None:
    """Run every operation on shapes alone, so that what it cannot take is told here and not when a picture runs."""
    shapes: dict[str, Shape | None] = dict(graph.inputs)
    numbers: dict[str, Tensor] = {}
    for operation in graph.operations:
        shapes.update(infer_operation(operation, shapes, graph.parameters.shapes, numbers, by_rule=False))


def save_native(network: Network, path: Path) -> None:
    """Write a network whole: its graph, weights, labels and what it expects."""
    graph = network.graph
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in graph.parameters.items()}
    spec = (
        None
        if network.input_spec is None
        else {field: getattr(network.input_spec, field) for field in _FIELDS}
    )
    if spec is not None and np.ndim(spec["mean"]) == 3:
        tensors[MEAN], spec["mean"] = torch.from_numpy(np.asarray(spec["mean"], np.float32)), MEAN
    metadata = {
        "name": network.name,
        "operations": [
            {key: _json(getattr(operation, key)) for key in _OPERATION} | {"kind": saved_kind(operation.kind)}
            for operation in graph.operations
        ],
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "aliases": graph.aliases,
        "channels_last": graph.channels_last,
        "constants": sorted(graph.constants),
        "cut": {value: asdict(layer) for value, layer in graph.cut.items()},
        "output_names": graph.output_names,
        **({"ends": sorted(graph.ends)} if graph.ends else {}),
        "labels": network.labels,
        "input": spec,
        "guesses": {} if network.input_spec is None else network.input_spec.guesses,
    }
    with saved(path, SafetensorError, raises=NetworkFileError) as partial:
        save_file(tensors, partial, {key: json.dumps(_json(value)) for key, value in metadata.items()})
        _sort_header(partial)


def _sort_header(path: Path) -> None:
    """Put the header of a safetensors file in order, which the library leaves to chance: same network, same bytes."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        metadata = dict(sorted(header.pop("__metadata__").items()))
        tensors = dict(sorted(header.items(), key=lambda item: item[1]["data_offsets"]))
        text = json.dumps({"__metadata__": metadata, **tensors}, separators=(",", ":"), ensure_ascii=False)
        file.seek(8)
        file.write(text.encode().ljust(size))


def _json(value: Any) -> Any:
    """Return plain data as JSON takes it."""
    if isinstance(value, Mapping):
        return {key: _json(item) for key, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, tuple | list) else value
