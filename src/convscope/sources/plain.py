"""convscope's own format: the graph as JSON in a safetensors file, beside its weights. Reading it runs no code.

The file's metadata has ``name``, ``operations`` (a list of objects with kind, name, type_name, inputs, outputs,
parameters and attributes, in the order they run), ``labels`` and ``input`` (the fields of an `InputSpec`), each as
JSON. Weights may be in half precision; they are computed with in single precision.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from convscope.errors import ConvscopeError, InputError, NetworkFileError
from convscope.network.graph import Graph, Operation
from convscope.network.input_spec import InputSpec
from convscope.network.network import Network
from convscope.network.operations import OPERATIONS
from convscope.network.origin import Origin
from convscope.network.parameters import Parameters

BUILTIN = "builtin"
PLAIN_SUFFIXES = (".convscope", ".safetensors")


def open_builtin(device: str | torch.device = "cpu") -> Network:
    """Open the network that comes with convscope; its model card is ``training/README.md`` in the repository."""
    path = Path(str(files("convscope") / "networks" / "builtin.safetensors"))
    network = open_plain(path, device)
    network.origin = Origin(BUILTIN, files=(path,))
    return network


def open_plain(path: Path, device: str | torch.device = "cpu") -> Network:
    """Open a network in convscope's own format; NetworkFileError says what is wrong with one that is damaged."""
    try:
        # It stays open: weights are read when they are asked for.
        file: Any = safe_open(path, framework="pt")
        metadata = {key: json.loads(text) for key, text in (file.metadata() or {}).items()}
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise NetworkFileError(f"{path} is not a network in convscope's format: {error}") from error
    if "operations" not in metadata or "input" not in metadata:
        raise NetworkFileError(
            f"{path} holds weights without a network: it has no operations in its metadata"
        )
    try:
        spec = _input_spec(metadata["input"])
        graph = _graph(metadata, spec, Parameters(shapes, lambda key: file.get_tensor(key).float()))
        return Network(
            graph,
            input_spec=spec,
            labels=metadata.get("labels"),
            origin=Origin(str(path), files=(path,)),
            device=device,
        )
    except (KeyError, TypeError, ValueError, AttributeError, ConvscopeError) as error:
        raise NetworkFileError(f"{path} describes its network wrongly: {error}") from error


def _input_spec(fields: dict[str, Any]) -> InputSpec:
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    return InputSpec(
        **plain, provenance=dict.fromkeys([*plain, "layout", "raw_scale", "resize", "crops"], "the file")
    )


def _graph(metadata: dict[str, Any], spec: InputSpec, parameters: Parameters) -> Graph:
    operations = tuple(_operation(fields, parameters) for fields in metadata["operations"])
    made = [value for operation in operations for value in operation.outputs]
    read = {value for operation in operations for value in operation.inputs}
    inputs = [value for operation in operations for value in operation.inputs if value not in made]
    if len(set(inputs)) != 1 or len(set(made)) != len(made):
        raise InputError(f"one input and every value made once; found inputs {sorted(set(inputs))}")
    return Graph(
        name=str(metadata.get("name", "")),
        inputs={inputs[0]: spec.shape},
        operations=operations,
        outputs=tuple(value for value in made if value not in read),
        parameters=parameters,
    )


def _operation(fields: dict[str, Any], parameters: Parameters) -> Operation:
    if fields["kind"] not in OPERATIONS:
        raise InputError(f"no operation is called {fields['kind']!r}")
    if missing := set(fields["parameters"].values()) - set(parameters):
        raise InputError(f"operation {fields['name']!r} needs {sorted(missing)}, which are not in the file")
    attributes = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields["attributes"].items()
    }
    inputs, outputs = tuple(fields["inputs"]), tuple(fields["outputs"])
    return Operation(
        kind=fields["kind"],
        name=fields["name"],
        type_name=fields["type_name"],
        inputs=inputs,
        outputs=outputs,
        parameters=fields["parameters"],
        attributes=attributes,
        in_place=bool(inputs) and inputs[0].partition("@")[0] == outputs[0] and "@" in inputs[0],
    )
