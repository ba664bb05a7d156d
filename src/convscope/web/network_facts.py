"""What the page knows of a network before it has asked anything: its layers, its classes, what can be made with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from convscope._version import __version__
from convscope.attribution.registry import ATTENTION, METHODS
from convscope.dreaming.options import DreamOptions
from convscope.dreaming.presets import dream_preset
from convscope.errors import ConvscopeError
from convscope.looking.answers import is_vector
from convscope.looking.filters import layers_with_filters, read_filters
from convscope.looking.stages import stages, vectors
from convscope.network.input_spec import InputSpec
from convscope.network.layer import Layer
from convscope.network.network import Network
from convscope.network.receptive_field import ReceptiveField
from convscope.network.tokens import token_grids
from convscope.preset_guide import DREAM_GUIDE, STYLE_GUIDE, PresetGuide
from convscope.styling.options import StyleOptions
from convscope.styling.presets import style_preset
from convscope.web.forms import RANGES, form_of
from convscope.web.renderings import DREAM_SIZE, STYLE_SIZE


def network_facts(network: Network) -> dict[str, Any]:
    """Return as JSON data: name, notes, layers in order, the stages' layers, classes, methods, presets, options."""
    having = set(layers_with_filters(network))
    layers = [layer for stage in stages(network) for layer in stage.shown] + vectors(network)
    order = {name: index for index, name in enumerate(network.layers)}
    spec = network.input_spec
    facts = [_layer_facts(network, layer, name in having) for name, layer in network.layers.items()]
    stages_layers = sorted(set(layers) | set(network.graph.inputs), key=lambda name: order.get(name, 0))
    return {
        "name": network.name,
        "version": __version__,
        "device": str(network.device),
        "notes": list(network.notes),
        "input": None if spec is None else _input_facts(spec),
        "refuses": _refusal(network),
        "layers": facts,
        "stages": stages_layers,
        "first": _middle_of(stages_layers, facts),
        "boldest": _boldest_filter(network, [layer["name"] for layer in facts if layer["filters"]]),
        "labels": list(network.labels or ()),
        "classLayers": list(network.class_values),
        "outputs": [str(output) for output in network.outputs],
        "methods": [
            {"name": method.name, "family": method.family, "sentence": method.sentence}
            for method in METHODS.values()
            if method.family != ATTENTION or token_grids(network)
        ],
        "presets": {
            "dream": _presets(DREAM_GUIDE, _dream_values),
            "style": _presets(STYLE_GUIDE, _style_values),
        },
        "forms": {"dream": form_of(DreamOptions), "style": form_of(StyleOptions)},
    }


def _middle_of(stages_layers: Sequence[str], facts: Sequence[Mapping[str, Any]]) -> str:
    """Return the layer that the page begins with: of the stages' layers with maps the middle one."""
    with_maps = {layer["name"] for layer in facts if layer["rows"] > 1}
    maps = [name for name in stages_layers if name in with_maps]
    return maps[len(maps) // 2] if maps else stages_layers[-1]


def _boldest_filter(network: Network, having: Sequence[str]) -> int:
    """Return the first layer's filter whose weights differ most from each other: a tour shows what can be read."""
    if not having:
        return 0
    weights = read_filters(network, having[0]).weights.detach().flatten(1).double()
    return int((weights - weights.mean(1, keepdim=True)).square().sum(1).argmax())


def _refusal(network: Network) -> str | None:
    """Return why no picture can be given to a network; None for one that takes pictures."""
    try:
        _ = network.picture_spec
    except ConvscopeError as error:
        return str(error)
    return None


def frame_size(spec: InputSpec) -> tuple[int, int]:
    """Return the rows and columns of the frame in whose middle a network sees a picture of its own shape."""
    height, width = spec.size
    if spec.transform is None:
        with suppress(ConvscopeError):  # of other channels than a picture in color has
            height, width = spec.frame(np.zeros((height, width, 3), np.uint8)).shape[:2]
    return height, width


def _input_facts(spec: InputSpec) -> dict[str, Any]:
    """Return the size of what the network sees, and of its `frame` (`frame_size`)."""
    return {
        "size": list(spec.size),
        "frame": list(frame_size(spec)),
        "describe": str(spec.channel_order),
    }


def _layer_facts(network: Network, layer: Layer, has_filters: bool) -> dict[str, Any]:
    shape = network.shape_channels_first(layer.name)
    maps = shape is not None and len(shape) == 4 and not is_vector(shape)
    field = layer.receptive_field
    return {
        "name": layer.name,
        "kind": layer.kind,
        "steps": list(layer.steps),
        "shape": None if layer.shape is None else list(layer.shape),
        "channels": shape[1] if shape is not None and len(shape) > 1 else 0,
        "rows": shape[2] if maps and shape else 1,
        "columns": shape[3] if maps and shape else 1,
        "parameters": layer.parameter_count,
        "filters": has_filters,
        "sees": None if field is None else str(field),
        "field": None if field is None else _field(field.enclosing()),
    }


def _field(field: ReceptiveField) -> dict[str, list[float]]:
    """Return what a position sees as pairs (vertical, horizontal) of input pixels."""
    pairs = {"start": field.start, "stride": field.stride, "size": field.size}
    return {name: [float(extent) for extent in one] for name, one in pairs.items()}


def _presets(
    guide: Mapping[str, PresetGuide], values: Callable[[str], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    return [
        {"name": name, "sentence": entry.summary, "values": values(name)} for name, entry in guide.items()
    ]


def _dream_values(preset: str) -> dict[str, Any]:
    settings = dream_preset(preset).settings
    octaves = {"octaves": settings.octaves.count, "octave_scale": settings.octaves.scale}
    return {"size": DREAM_SIZE, **octaves, **_numbers(settings)}


def _style_values(preset: str) -> dict[str, Any]:
    settings = style_preset(preset).settings
    return {"size": STYLE_SIZE, "coarsest": settings.scales.smallest, **_numbers(settings)}


def _numbers(settings: Any) -> dict[str, Any]:
    """Return what a preset sets the fields of a form to."""
    values = {name: getattr(settings, name, None) for name in (*RANGES, "rate", "stop_above")}
    return {name: value for name, value in values.items() if isinstance(value, (int, float))}
