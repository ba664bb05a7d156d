import pytest

from convscope.formats.caffe.schema import message_type
from convscope.formats.protobuf.schema import float32, parse_schema
from protobuf_oracle import message_class

# Field numbers as Caffe's own files carry them, written down apart from the schema.
NUMBERS = {
    ("NetParameter", "layers"): 2,
    ("NetParameter", "layer"): 100,
    ("BlobProto", "data"): 5,
    ("BlobProto", "shape"): 7,
    ("LayerParameter", "blobs"): 7,
    ("LayerParameter", "clip_param"): 148,
    ("V1LayerParameter", "blobs"): 6,
    ("V0LayerParameter", "blobs"): 50,
    ("ConvolutionParameter", "dilation"): 18,
    ("PoolingParameter", "round_mode"): 13,
}
# Default values that change what a network computes.
DEFAULTS = {
    ("PoolingParameter", "pool"): "MAX",
    ("PoolingParameter", "round_mode"): "CEIL",
    ("PoolingParameter", "stride"): 1,
    ("LRNParameter", "local_size"): 5,
    ("LRNParameter", "beta"): 0.75,
    ("LRNParameter", "norm_region"): "ACROSS_CHANNELS",
    ("BatchNormParameter", "eps"): float32(1e-5),
    ("BatchNormParameter", "moving_average_fraction"): float32(0.999),
    ("EltwiseParameter", "operation"): "SUM",
    ("InnerProductParameter", "axis"): 1,
    ("InnerProductParameter", "bias_term"): True,
    ("ScaleParameter", "bias_term"): False,
    ("MVNParameter", "eps"): float32(1e-9),
    ("ReshapeParameter", "num_axes"): -1,
    ("ExpParameter", "base"): -1.0,
    ("ELUParameter", "alpha"): 1.0,
    ("DropoutParameter", "dropout_ratio"): 0.5,
    ("NetState", "phase"): "TEST",
    ("PythonParameter", "param_str"): "",
    ("ConvolutionParameter", "kernel_h"): None,
}


@pytest.mark.parametrize(("owner", "name"), NUMBERS)
def test_field_numbers(owner, name):
    assert message_type(owner).fields[name].number == NUMBERS[owner, name]


@pytest.mark.parametrize(("owner", "name"), DEFAULTS)
def test_defaults_are_caffes(owner, name):
    assert message_type(owner).fields[name].default == DEFAULTS[owner, name]


def test_every_default_is_what_protobuf_makes_of_it():
    seen = 0
    for name in reachable("NetParameter") | {"SolverParameter", "SolverState", "BlobProtoVector", "Datum"}:
        empty = message_class(name)()
        for field in message_type(name).fields.values():
            if field.default is not None and not field.enumeration:
                assert getattr(empty, field.name) == field.default, (name, field.name)
                seen += 1
            elif field.default is not None:
                assert getattr(empty, field.name) == field.enumeration.numbers[field.default]
                seen += 1
    assert seen > 150


def test_every_layer_parameter_has_its_message():
    names = {field.message.name for field in message_type("LayerParameter").fields.values() if field.message}
    assert len(names) == 52 + 44, "Caffe's own, and what forks added"
    assert all(message_type(name).fields for name in names)


def test_a_type_is_found_inside_its_message_first():
    schema = parse_schema("A\n    1 b: E = X\nA.E\n    0 X\nE\n    0 Y\n")
    assert schema["A"].fields["b"].enumeration.numbers == {"X": 0}


@pytest.mark.parametrize(
    ("number", "rounded"), [(0.1, 0.10000000149011612), (1e39, float("inf")), (-1e39, -float("inf"))]
)
def test_float32(number, rounded):
    assert float32(number) == rounded


@pytest.mark.parametrize("name", ["NetParameter", "SolverParameter", "SolverState", "Datum"])
def test_no_message_holds_its_own_kind(name):  # so that reading one cannot recurse without end
    for kind in reachable(name):
        inside = [field.message.name for field in message_type(kind).fields.values() if field.message]
        assert all(kind not in reachable(inner) for inner in inside)


def reachable(name, seen=None):
    seen = seen if seen is not None else set()
    if name not in seen:
        seen.add(name)
        for field in message_type(name).fields.values():
            if field.message:
                reachable(field.message.name, seen)
    return seen
