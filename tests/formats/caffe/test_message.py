import copy
import pickle

import numpy as np
import pytest

from convscope.errors import InputError
from convscope.formats.caffe.message import Message
from convscope.formats.protobuf.schema import float32


def test_an_absent_field_reads_as_its_default():
    layer = Message("LayerParameter")
    assert layer.name is None
    assert layer.bottom == []
    assert layer.pooling_param.pool == "MAX"
    assert layer.pooling_param.kernel_h is None
    assert layer.inner_product_param.bias_term is True


def test_has_says_what_was_set():
    parameters = Message("ConvolutionParameter", num_output=0, kernel_size=[])
    assert parameters.has("num_output")
    assert not parameters.has("kernel_size")
    assert not parameters.has("group")
    assert parameters.group == 1


def test_reading_an_absent_message_does_not_set_it():
    layer = Message("LayerParameter")
    assert layer.pooling_param.stride == 1
    assert not layer.has("pooling_param")
    layer.ensure("pooling_param").stride = 2
    assert layer.pooling_param.stride == 2
    assert layer.has("pooling_param")


def test_a_repeated_field_is_a_live_list():
    layer = Message("LayerParameter")
    layer.top.append("data")
    assert layer.has("top")
    assert layer == Message("LayerParameter", top=["data"])


def test_add_appends_a_message():
    net = Message("NetParameter")
    made = net.add("layer", name="conv1")
    assert net.layer == [made]
    assert net.layer[0].name == "conv1"


def test_clear_brings_the_default_back():
    parameters = Message("LRNParameter", local_size=7)
    parameters.clear("local_size")
    assert parameters.local_size == 5
    assert not parameters.has("local_size")


def test_fields_come_in_the_order_of_their_numbers():
    layer = Message("LayerParameter", top=["b"], bottom=["a"], type="ReLU", name="relu")
    assert [field.name for field, _ in layer.fields()] == ["name", "type", "bottom", "top"]


def test_enumerations_are_names_and_take_numbers():
    assert Message("PoolingParameter", pool=1).pool == "AVE"
    assert Message("PoolingParameter", pool="STOCHASTIC").pool == "STOCHASTIC"


def test_floats_are_single_precision():
    assert Message("LRNParameter", alpha=1e-4).alpha == float32(1e-4)
    assert Message("LRNParameter", alpha=np.float64(2)).alpha == 2.0


def test_numbers_of_a_blob_stay_one_array():
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    blob = Message("BlobProto", data=numbers)
    assert blob.data.shape == (6,)
    assert np.shares_memory(blob.data, numbers)
    assert Message("BlobProto", data=numbers.astype(np.float64)).data.dtype == np.float32


def test_a_copy_is_independent():
    net = Message("NetParameter", name="a")
    net.add("layer", name="conv1", bottom=["data"])
    other = net.copy()
    other.layer[0].bottom.append("more")
    other.name = "b"
    assert (net.name, net.layer[0].bottom) == ("a", ["data"])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copy_module_and_pickle_work(duplicate):
    net = Message("NetParameter", name="a")
    net.add("layer", name="conv1").add("blobs").data = np.ones(3, np.float32)
    assert duplicate(net) == net


def test_equality_looks_at_values():
    assert Message("BlobProto", data=np.ones(2)) == Message("BlobProto", data=[1.0, 1.0])
    assert Message("BlobProto", data=np.ones(2)) != Message("BlobProto", data=[1.0, 2.0])
    assert Message("LRNParameter", alpha=float("nan")) == Message("LRNParameter", alpha=float("nan"))
    assert Message("LRNParameter") != Message("PoolingParameter")
    assert Message("LRNParameter", local_size=5) != Message("LRNParameter")  # set, though to its default


def test_repr_is_short_for_big_blobs():
    assert repr(Message("BlobProto", data=np.zeros(1000))) == "Message('BlobProto', data=<1000 numbers>)"


POOLS = "PoolingParameter.pool is one of MAX, AVE, STOCHASTIC, AVE_EXC_PAD, AVE_TF"
WRONG = [
    ("PoolingParameter", "pool", "MAXX", f"{POOLS}, not 'MAXX'."),
    ("PoolingParameter", "pool", 7, f"{POOLS}, not 7."),
    ("PoolingParameter", "pool", [1], f"{POOLS}, not [1]."),
    ("PoolingParameter", "stride", -1, "PoolingParameter.stride is an uint32 from 0 to 4294967295, not -1."),
    ("PoolingParameter", "stride", 1.5, "PoolingParameter.stride is a uint32, not 1.5."),
    ("LayerParameter", "name", 3, "LayerParameter.name is a string, not 3."),
    ("LayerParameter", "top", "data", "LayerParameter.top is repeated: give a list, not 'data'."),
    ("LayerParameter", "top", [1], "LayerParameter.top is a string, not 1."),
    ("LayerParameter", "lrn_param", 3, "LayerParameter.lrn_param is a LRNParameter message, not 3."),
    ("LayerParameter", "kernal", 3, "LayerParameter has no field 'kernal'."),
    ("ConvolutionParameter", "kernelsize", [3], "ConvolutionParameter has no field 'kernelsize'. Did you mean"),
    ("ConvolutionParameter", "bias_term", 1, "ConvolutionParameter.bias_term is a bool, not 1."),
]  # fmt: skip


@pytest.mark.parametrize(("owner", "name", "value", "message"), WRONG)
def test_wrong_values_are_refused(owner, name, value, message):
    with pytest.raises(InputError) as error:
        setattr(Message(owner), name, value)
    assert str(error.value).startswith(message)


def test_an_unknown_attribute_offers_the_closest():
    with pytest.raises(AttributeError, match=r"no field 'kernelsize'\. Did you mean 'kernel_size'"):
        _ = Message("ConvolutionParameter").kernelsize
    assert not hasattr(Message("ConvolutionParameter"), "_anything")


def test_ensure_needs_a_message_field():
    with pytest.raises(InputError, match="name holds a string, not a message"):
        Message("LayerParameter").ensure("name")
