import warnings

import pytest

from convscope.errors import ConvscopeWarning
from convscope.formats.caffe.message import Message
from convscope.formats.protobuf.unknown import Unknown, warn_of_unknown


def net_with(*names):
    net = Message("NetParameter")
    for line, name in enumerate(names, 1):
        net.add("layer").unknown.append(Unknown(name, 3, f"line {line}"))
    return net


def test_no_warning_without_unknown_fields():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_unknown(net_with(), "a.prototxt")
    assert not caught


def test_one_warning_lists_them_all():
    with pytest.warns(ConvscopeWarning) as caught:
        warn_of_unknown(net_with("up", "bn", "up", "up"), "a.prototxt")
    assert [str(warning.message) for warning in caught] == [
        "a.prototxt has fields that convscope does not know and does not use: "
        "LayerParameter.up (line 1 and 2 more), LayerParameter.bn (line 2)."
    ]


def test_a_long_list_is_cut():
    with pytest.warns(ConvscopeWarning, match=r"LayerParameter\.e \(line 5\) and 2 more\.$"):
        warn_of_unknown(net_with(*"abcdefg"), "a.prototxt")
