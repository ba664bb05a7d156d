"""Networks with their description changed, opened and run: an answer or a clear error, never a traceback."""

import re
import warnings
from math import prod

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import convscope
from convscope.errors import ConvscopeError, ConvscopeWarning
from convscope.formats.caffe.layers import TRANSLATORS
from protobuf_oracle import parse_text, to_text
from zoo import FIRST_GENERATION, SECOND_GENERATION, ZOO
from zoo_files import first_generation, second_generation

NUMBERS = [
    "0",
    "-1",
    "1",
    "2",
    "7",
    "65536",
    "2147483647",
    "4294967295",
    "9223372036854775807",
    "1e38",
    "nan",
]
FIELDS = ["pad", "stride", "kernel_size", "dilation", "group", "axis", "num_axes", "num_output"]
NETS = [parse_text(made()) for name, made in ZOO.items() if name not in ("deeplab", "fcn")]
NETS += [second_generation(parse_text(ZOO[name]())) for name in SECOND_GENERATION]
NETS += [first_generation(parse_text(ZOO[name]())) for name in FIRST_GENERATION]
TEXTS = [to_text(net) for net in NETS]


@st.composite
def changed(draw: st.DrawFn) -> str:
    """Draw a net with numbers and types changed, fields left out or doubled, names swapped, layers moved."""
    lines = draw(st.sampled_from(TEXTS)).splitlines()
    for _ in range(draw(st.integers(1, 3))):
        pattern = draw(
            st.sampled_from([r": -?[\d.]+$", ": ", '(name|bottom|top): "', 'type: "', r"_param \{$"])
        )
        places = [at for at, line in enumerate(lines) if re.search(pattern, line)]
        if not places:
            continue
        at, other = draw(st.sampled_from(places)), draw(st.sampled_from(places))
        name, _, value = lines[at].partition(":")
        match pattern:
            case ": ":
                lines[at : at + 1] = [lines[at]] * draw(st.sampled_from([0, 2]))
            case 'type: "':
                lines[at] = f'type: "{draw(st.sampled_from(sorted(TRANSLATORS)))}"'
            case r"_param \{$":
                lines.insert(at + 1, f"{draw(st.sampled_from(FIELDS))}: {draw(st.sampled_from(NUMBERS))}")
            case '(name|bottom|top): "':
                lines[at] = f"{name}:{lines[other].partition(':')[2]}"
                lines[other] = f"{lines[other].partition(':')[0]}:{value}"
            case _:
                lines[at] = f"{name}: {draw(st.sampled_from(NUMBERS))}"
    return "\n".join(lines)


@given(text=changed())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_networks(tmp_path, text: str) -> None:
    (tmp_path / "net.prototxt").write_text(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvscopeWarning)
            network = convscope.open_network(tmp_path / "net.prototxt")
        assert len(network.layers) == len(network.graph.blobs)
        sizes = [*network.shapes.values(), *network.graph.parameters.shapes.values()]
        if sum(prod(shape or ()) for shape in sizes) < 10**6:
            inputs = {name: torch.ones(shape) for name, shape in network.graph.inputs.items()}
            found = network.activations(inputs)
            assert all(
                network.layers[name].shape in (None, tuple(value.shape)) for name, value in found.items()
            )
            if network.graph.inputs and network.graph.outputs:
                network.gradient(inputs, network.graph.outputs[-1])
    except ConvscopeError as error:
        assert "\n" not in str(error)
        assert 10 < len(str(error)) < 900
