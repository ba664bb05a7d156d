import pytest

from convscope.errors import ConvscopeWarning, NetworkFileError
from convscope.formats.caffe.first_generation import LAYER_TYPES, upgrade_first_generation
from convscope.formats.caffe.schema import message_type
from convscope.formats.caffe.text import read_text


def upgraded(text):
    return upgrade_first_generation(read_text(text)).layers


def one(settings):
    """Return the layer that settings of the first generation become, without its name."""
    return upgraded(f"layers {{ layer {{ {settings} }} bottom: 'in' top: 'out' }}")[0]


def second(text):
    return read_text(f"bottom: 'in' top: 'out' {text}", "V1LayerParameter")


# What Caffe's own test of every parameter maps to what, restated a layer a line.
MAPPED = [
    ("type: 'data' source: 'db' meanfile: 'm' batchsize: 256 cropsize: 227 mirror: true scale: 0.25 rand_skip: 73",
     "type: DATA data_param { source: 'db' batch_size: 256 rand_skip: 73 }"
     " transform_param { mean_file: 'm' crop_size: 227 mirror: true scale: 0.25 }"),
    ("type: 'images' source: 's' batchsize: 2 rand_skip: 7 shuffle_images: true new_height: 40 new_width: 30 scale: 2",
     "type: IMAGE_DATA image_data_param { source: 's' batch_size: 2 rand_skip: 7 shuffle: true new_height: 40"
     " new_width: 30 } transform_param { scale: 2 }"),
    ("type: 'window_data' source: 's' batchsize: 2 det_fg_threshold: 0.25 det_bg_threshold: 0.75 det_fg_fraction: 0.5"
     " det_context_pad: 16 det_crop_mode: 'square'",
     "type: WINDOW_DATA window_data_param { source: 's' batch_size: 2 fg_threshold: 0.25 bg_threshold: 0.75"
     " fg_fraction: 0.5 context_pad: 16 crop_mode: 'square' }"),
    ("type: 'hdf5_data' source: 'h' batchsize: 256", "type: HDF5_DATA hdf5_data_param { source: 'h' batch_size: 256 }"),
    ("type: 'conv' name: 'c' num_output: 96 biasterm: false pad: 4 kernelsize: 11 stride: 4 group: 2"
     " weight_filler { type: 'gaussian' std: 0.01 } bias_filler { value: 3 } blobs_lr: 1 blobs_lr: 2 weight_decay: 0",
     "type: CONVOLUTION name: 'c' convolution_param { num_output: 96 bias_term: false pad: 4 kernel_size: 11 stride: 4"
     " group: 2 weight_filler { type: 'gaussian' std: 0.01 } bias_filler { value: 3 } } blobs_lr: [1, 2]"
     " weight_decay: 0"),
    ("type: 'pool' pool: AVE kernelsize: 3 stride: 2 pad: 1",
     "type: POOLING pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"),
    ("type: 'pool' pool: STOCHASTIC kernelsize: 4", "type: POOLING pooling_param { pool: STOCHASTIC kernel_size: 4 }"),
    ("type: 'concat' concat_dim: 2", "type: CONCAT concat_param { concat_dim: 2 }"),
    ("type: 'lrn' local_size: 5 alpha: 0.0001 beta: 0.75 k: 2",
     "type: LRN lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 k: 2 }"),
    ("type: 'innerproduct' num_output: 10 biasterm: false weight_filler { type: 'xavier' } blobs { num: 1 data: 5 }",
     "type: INNER_PRODUCT inner_product_param { num_output: 10 bias_term: false weight_filler { type: 'xavier' } }"
     " blobs { num: 1 data: 5 }"),
    ("type: 'dropout' dropout_ratio: 0.2", "type: DROPOUT dropout_param { dropout_ratio: 0.2 }"),
    ("type: 'infogain_loss' source: 'matrix'", "type: INFOGAIN_LOSS infogain_loss_param { source: 'matrix' }"),
    ("type: 'hdf5_output' hdf5_output_param { file_name: 'f' }",
     "type: HDF5_OUTPUT hdf5_output_param { file_name: 'f' }"),
    ("type: 'relu' name: 'r'", "type: RELU name: 'r'"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), MAPPED)
def test_settings_move_into_the_message_of_their_type(old, new):
    assert one(old) == second(new)


def test_all_24_types():
    numbers = message_type("V1LayerParameter").fields["type"].enumeration.numbers
    assert len(LAYER_TYPES) == 24
    assert set(LAYER_TYPES.values()) <= set(numbers)
    assert [one(f"type: '{name}'").type for name in LAYER_TYPES] == list(LAYER_TYPES.values())


def test_unknown_types_are_an_error():
    with pytest.raises(
        NetworkFileError, match=r"layer 'c' \(line 1\) has the type 'convv', which .* Did you mean 'conv'"
    ):
        one("name: 'c' type: 'convv'")


def test_settings_that_mean_nothing_are_left_out_with_a_warning():
    with pytest.warns(
        ConvscopeWarning, match="layer 'r' .*: stride means nothing to a 'relu' layer and is left out"
    ):
        layer = one("name: 'r' type: 'relu' stride: 2")
    assert layer == second("name: 'r' type: RELU")


PADDED = """
input: 'data'
layers { layer { name: 'pad1' type: 'padding' pad: 2 } bottom: 'data' top: 'pad1' }
layers { layer { name: 'conv1' type: 'conv' } bottom: 'pad1' top: 'conv1' }
layers { layer { name: 'conv2' type: 'conv' } bottom: 'conv1' top: 'conv2' }
layers { layer { name: 'pool1' type: 'pool' } bottom: 'pad1' top: 'pool1' }
"""


def test_padding_layers_become_the_pad_of_what_reads_them():
    layers = upgraded(PADDED)
    assert [(layer.name, layer.bottom, layer.top) for layer in layers] == [
        ("conv1", ["data"], ["conv1"]),
        ("conv2", ["conv1"], ["conv2"]),
        ("pool1", ["data"], ["pool1"]),
    ]
    assert [layer.convolution_param.pad for layer in layers[:2]] == [[2], []]
    assert layers[2].pooling_param.pad == 2


@pytest.mark.parametrize(
    ("reader", "problem"),
    [
        (
            "layer { name: 'r' type: 'relu' } bottom: 'p'",
            "is read by a 'relu' layer, and only conv and pool can pad",
        ),
        (
            "layer { name: 'c' type: 'conv' } bottom: 'p' bottom: 'q'",
            "or its reader has more than one input or output",
        ),
    ],
)
def test_padding_that_cannot_be_folded_is_an_error(reader, problem):
    with pytest.raises(NetworkFileError) as error:
        upgraded(
            f"layers {{ layer {{ name: 'pad1' type: 'padding' pad: 1 }} bottom: 'd' top: 'p' }} layers {{ {reader} }}"
        )
    assert str(error.value) == f"the padding layer 'pad1' (line 1) {problem}."
