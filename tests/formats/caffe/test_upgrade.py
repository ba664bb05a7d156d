import pytest

from convscope.errors import NetworkFileError
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.schema import message_type
from convscope.formats.caffe.text import read_text, read_text_file, write_text
from convscope.formats.caffe.upgrade import LAYER_TYPES, upgrade

TRAINING_ONLY = {"param", "weight_filler", "bias_filler"}


def upgraded(text):
    return upgrade(read_text(text))


def for_inference(message):
    """Drop what only training looks at, and the names of inputs and of the net, which the generations spell apart."""
    kept = Message(message.type_name)
    for field, value in message.fields():
        if field.name in TRAINING_ONLY or (field.name == "name" and message.type_name == "NetParameter"):
            continue
        inner = [for_inference(item) for item in value] if field.message and field.repeated else value
        setattr(kept, field.name, for_inference(value) if isinstance(value, Message) else inner)
    if kept.type_name == "LayerParameter" and kept.type == "Input":
        kept.clear("name")
    return kept


def test_three_generations_of_caffenet_are_one_net(shared_data):
    folder = shared_data / "caffe" / "old_formats"
    first, second, third = (
        for_inference(upgrade(read_text_file(folder / f"{name}.prototxt")))
        for name in ("imagenet_deploy_v0", "imagenet_deploy_v1", "bvlc_reference_caffenet_deploy")
    )
    assert len(first.layer) == 24
    assert write_text(first) == write_text(second) == write_text(third)
    assert [layer.convolution_param.pad for layer in third.layer if layer.type == "Convolution"] == [
        [], [2], [1], [1], [1],
    ]  # fmt: skip


def test_a_net_of_today_comes_back_equal(shared_data):
    net = read_text_file(shared_data / "caffe" / "bvlc_googlenet" / "deploy.prototxt")
    once = upgrade(net)
    assert once == upgrade(once)
    assert len(once.layer) == len(net.layer) == 143
    assert once.layer[1:] == net.layer[1:]


def test_the_argument_is_not_changed():
    net = read_text("layers { name: 'r' type: RELU bottom: 'a' top: 'a' } input: 'a' input_dim: [1, 2, 3, 4]")
    before = write_text(net)
    upgrade(net)
    assert write_text(net) == before


def test_all_forty_types_have_a_name_of_today():
    numbers = message_type("V1LayerParameter").fields["type"].enumeration.numbers
    assert set(LAYER_TYPES) == set(numbers)
    assert len(LAYER_TYPES) == 40
    net = upgraded("".join(f"layers {{ name: '{name}' type: {name} }}" for name in numbers))
    assert {layer.name: layer.type for layer in net.layer} == LAYER_TYPES


def test_settings_of_the_second_generation_keep_their_places():
    old = {
        field.name
        for field in message_type("V1LayerParameter").fields.values()
        if field.name.endswith("_param")
    }
    for name in sorted(old):
        net = upgraded(f"layers {{ name: 'x' {name} {{ }} loss_weight: 0.5 include {{ phase: TEST }} }}")
        layer = net.layer[0]
        assert layer.has(name)
        assert layer.loss_weight == [0.5]
        assert layer.include[0].phase == "TEST"


def test_learning_rates_sharing_and_decay_become_params():
    layer = upgraded(
        "layers { type: INNER_PRODUCT param: 'w' param: 'b' blob_share_mode: STRICT blob_share_mode: PERMISSIVE"
        " blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 weight_decay: 3 }"
    ).layer[0]
    assert layer == read_text(
        "type: 'InnerProduct'"
        " param { name: 'w' share_mode: STRICT lr_mult: 1 decay_mult: 1 }"
        " param { name: 'b' share_mode: PERMISSIVE lr_mult: 2 decay_mult: 0 } param { decay_mult: 3 }",
        "LayerParameter",
    )


@pytest.mark.parametrize(
    ("kind", "parameters"), [("DATA", "data"), ("IMAGE_DATA", "image_data"), ("WINDOW_DATA", "window_data")]
)
def test_preprocessing_moves_out_of_data_layers(kind, parameters):
    layer = upgraded(
        f"layers {{ type: {kind} {parameters}_param {{ source: 's' batch_size: 8"
        " scale: 0.25 mean_file: 'm' crop_size: 227 mirror: true } }"
    ).layer[0]
    assert layer.transform_param == read_text(
        "scale: 0.25 mean_file: 'm' crop_size: 227 mirror: true", "TransformationParameter"
    )
    data = getattr(layer, f"{parameters}_param")
    assert {field.name for field, _ in data.fields()} == {"source", "batch_size"}


def test_input_dims_become_an_input_layer_put_first():
    net = upgraded(
        "input: 'a' input: 'b' input_dim: [1, 2, 3, 4, 5, 6, 7, 8] layer { name: 'r' bottom: 'a' }"
    )
    assert net == read_text(
        "layer { name: 'input' type: 'Input' top: 'a' top: 'b'"
        " input_param { shape { dim: [1, 2, 3, 4] } shape { dim: [5, 6, 7, 8] } } } layer { name: 'r' bottom: 'a' }"
    )


def test_input_shapes_win_over_dims():
    net = upgraded("input: 'a' input_shape { dim: [1, 2] } layers { bottom: 'a' }")
    assert net.layer[0].input_param.shape[0].dim == [1, 2]
    assert [layer.type for layer in net.layer] == ["Input", None]


def test_an_input_without_a_size_keeps_its_name():
    net = upgraded("input: 'a' layer { name: 'r' bottom: 'a' }")
    assert (net.layer[0].type, net.layer[0].top, net.layer[0].input_param.shape) == ("Input", ["a"], [])


def test_an_input_that_a_layer_makes_is_only_dropped():
    net = upgraded("input: 'a' layer { name: 'data' top: 'a' }")
    assert [layer.name for layer in net.layer] == ["data"]
    assert not net.has("input")


def test_too_few_shapes_are_an_error():
    with pytest.raises(
        NetworkFileError, match=r"the net has 2 inputs \('a', 'b'\) but 1 input shapes: give each input"
    ):
        upgraded("input: 'a' input: 'b' input_dim: [1, 2, 3, 4]")


def test_two_generations_in_one_net_are_an_error():
    with pytest.raises(NetworkFileError, match=r"both `layers` .* and `layer`"):
        upgraded("layers { name: 'a' } layer { name: 'b' }")


def test_batch_norm_statistics_do_not_learn():
    layer = upgraded("layer { type: 'BatchNorm' param { lr_mult: 1 name: 'm' } param { } param { } }").layer[
        0
    ]
    assert [(spec.name, spec.lr_mult, spec.decay_mult) for spec in layer.param] == [
        ("m", 0, 0), (None, 0, 0), (None, 0, 0),
    ]  # fmt: skip
    other = upgraded("layer { type: 'BatchNorm' param { lr_mult: 1 } }").layer[0]
    assert other.param[0].lr_mult == 1
