import pytest

from convscope.errors import ConvscopeWarning, NetworkFileError
from convscope.formats.caffe.rules import filter_layers, insert_splits, layers_to_use
from convscope.formats.caffe.text import read_text, read_text_file, write_text
from convscope.formats.caffe.upgrade import upgrade

STATE = {"phase": "TEST", "level": 0, "stages": ()}
MULTIPLE = ("include { min_level: 2 phase: TRAIN }", "include { min_level: 2 phase: TEST }")
EITHER = (MULTIPLE[0] + " include { phase: TEST }", MULTIPLE[1] + " include { phase: TRAIN }")
EXCLUDED = tuple(rule.replace("include", "exclude") for rule in MULTIPLE)
LENET = ("include { phase: TRAIN }", "include { phase: TEST }", "", "include { phase: TEST }")

# The facts of Caffe's own filter tests: a state, the rules of the layers a, b, c..., and those that stay.
FILTERED = [
    ({}, ("", "", ""), "abc"),
    ({"phase": "TRAIN"}, LENET, "ac"),
    ({"phase": "TEST"}, LENET, "bcd"),
    ({}, ("include { stage: 'mine' }", "", ""), "bc"),
    ({}, ("", "include { stage: 'mine' }", ""), "ac"),
    ({"stages": ["mine"]}, ("", "include { stage: 'mine' }", ""), "abc"),
    ({}, ("", "exclude { stage: 'mine' }", ""), "abc"),
    ({"stages": ["mine"]}, ("", "include { stage: ['mine', 'other'] }", "include { stage: 'mine' }"), "ac"),
    ({"stages": ["mine"]}, ("", "include { stage: 'other' } include { stage: 'mine' }", "include { }"), "abc"),
    ({"stages": ["mine", "other"]}, ("", "include { stage: ['mine', 'other'] }", "include { stage: 'mine' }"), "abc"),
    ({"stages": ["mine"]}, ("", "include { not_stage: 'other' }", "include { not_stage: 'other' }"), "abc"),
    ({"stages": ["mine"]}, ("", "include { not_stage: 'mine' }", "include { not_stage: 'mine' }"), "a"),
    ({}, ("", "include { min_level: 3 }", ""), "ac"),
    ({}, ("", "include { max_level: -3 }", ""), "ac"),
    ({}, ("", "include { min_level: 0 }", ""), "abc"),
    ({"level": 7}, ("", "include { min_level: 3 }", ""), "abc"),
    ({}, ("", "include { max_level: 0 }", ""), "abc"),
    ({"level": -7}, ("", "include { max_level: -3 }", ""), "abc"),
    ({"level": 4, "phase": "TRAIN"}, ("", *MULTIPLE), "ab"),
    ({"level": 4, "phase": "TEST"}, ("", *MULTIPLE), "ac"),
    ({"level": 2, "phase": "TRAIN"}, ("", *EITHER), "abc"),
    ({"level": 2, "phase": "TEST"}, ("", *EITHER), "abc"),
    ({"level": 4, "phase": "TRAIN"}, ("", *EXCLUDED), "ac"),
    ({"level": 4, "phase": "TEST"}, ("", *EXCLUDED), "ab"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "rules", "kept"), FILTERED)
def test_filter_layers(state, rules, kept):
    net = read_text(
        "".join(f"layer {{ name: '{name}' {rule} }}" for name, rule in zip("abcdef", rules, strict=False))
    )
    filtered = filter_layers(net, **{**STATE, **state})
    assert "".join(layer.name for layer in filtered.layer) == kept
    assert filter_layers(filtered, **{**STATE, **state}) == filtered
    assert len(net.layer) == len(rules)


def test_a_rule_of_a_forks_own_phase_is_never_met():
    net = """layer { name: "a" include { phase: RUN } } layer { name: "b" exclude { phase: RUN } }
        layer { name: "c" include { phase: RUN } include { phase: TRAIN } }"""
    with pytest.warns(ConvscopeWarning, match=r"does not use: NetStateRule\.phase \(line 1 and 2 more\)"):
        read = read_text(net)
    kept = ["".join(layer.name for layer in filter_layers(read, phase).layer) for phase in ("TRAIN", "TEST")]
    assert kept == ["bc", "b"]


def test_both_kinds_of_rules_are_an_error():
    net = read_text("layer { name: 'a' include { } exclude { } }")
    with pytest.raises(
        NetworkFileError, match=r"layer 'a' \(line 1\) has include and exclude rules: use one kind\.$"
    ):
        filter_layers(net)


def layer(name, bottoms, tops, more=""):
    blobs = "".join(f" bottom: '{blob}'" for blob in bottoms.split()) + "".join(
        f" top: '{top}'" for top in tops.split()
    )
    return f"layer {{ name: '{name}'{blobs} {more} }}"


def split(blob, name, count, weight=""):
    tops = " ".join(f"{name}_{index}" for index in range(count))
    return layer(name, blob, tops, f"type: 'Split' {weight}")


# The facts of Caffe's own tests of split insertion: a net, and the net it becomes (None: the same).
SPLITS = {
    "each blob read once": (
        [layer("data", "", "data label"), layer("ip", "data", "ip"), layer("loss", "ip label", "")],
        None,
    ),
    "the net has its own split": (
        [layer("data", "", "data label"), split("data", "data_split", 2), layer("ip1", "data_split_0", "ip1"),
         layer("ip2", "data_split_1", "ip2"), layer("loss", "ip1 ip2", "")],
        None,
    ),
    "in place": (
        [layer("data", "", "data label"), layer("ip1", "data", "ip1"), layer("relu1", "ip1", "ip1"),
         layer("ip2", "ip1", "ip2"), layer("loss", "ip2 label", "")],
        None,
    ),
    "a loss in the middle": (
        [layer("data", "", "data label"), layer("ip1", "data", "ip1", "loss_weight: 2.5"), layer("ip2", "data", "ip2"),
         layer("loss", "ip1 ip2", "l")],
        [layer("data", "", "data label"), split("data", "data_data_0_split", 2),
         layer("ip1", "data_data_0_split_0", "ip1"), split("ip1", "ip1_ip1_0_split", 2, "loss_weight: [2.5, 0]"),
         layer("ip2", "data_data_0_split_1", "ip2"), layer("loss", "ip1_ip1_0_split_1 ip2", "l")],
    ),
    "three readers, and two": (
        [layer("data", "", "data label"), *[layer(f"ip{index}", "data", f"ip{index}") for index in (1, 2, 3)],
         layer("loss1", "ip1 ip2", ""), layer("loss2", "ip2 ip3", "")],
        [layer("data", "", "data label"), split("data", "data_data_0_split", 3),
         layer("ip1", "data_data_0_split_0", "ip1"),
         layer("ip2", "data_data_0_split_1", "ip2"), split("ip2", "ip2_ip2_0_split", 2),
         layer("ip3", "data_data_0_split_2", "ip3"),
         layer("loss1", "ip1 ip2_ip2_0_split_0", ""), layer("loss2", "ip2_ip2_0_split_1 ip3", "")],
    ),
    "two tops": (
        [layer("data", "", "data label"), layer("ip1", "data", "ip1"), layer("ip2", "label", "ip2"),
         layer("ip3", "data", "ip3"), layer("ip4", "label", "ip4"), layer("loss", "ip1 ip3", ""),
         layer("loss2", "ip2 ip4", "")],
        [layer("data", "", "data label"), split("data", "data_data_0_split", 2),
         split("label", "label_data_1_split", 2),
         layer("ip1", "data_data_0_split_0", "ip1"), layer("ip2", "label_data_1_split_0", "ip2"),
         layer("ip3", "data_data_0_split_1", "ip3"), layer("ip4", "label_data_1_split_1", "ip4"),
         layer("loss", "ip1 ip3", ""), layer("loss2", "ip2 ip4", "")],
    ),
    "an input of the net": (
        ["input: 'data' input_dim: [10, 3, 227, 227]", layer("ip1", "data", "ip1"), layer("ip2", "data", "ip2"),
         layer("loss", "ip1 ip2", "")],
        ["input: 'data' input_dim: [10, 3, 227, 227]", split("data", "data_input_0_split", 2),
         layer("ip1", "data_input_0_split_0", "ip1"), layer("ip2", "data_input_0_split_1", "ip2"),
         layer("loss", "ip1 ip2", "")],
    ),
    "in place and read twice": (
        [layer("data", "", "data label"), layer("ip1", "data", "ip1"), layer("relu1", "ip1", "ip1"),
         layer("ip2", "ip1", "ip2"), layer("loss1", "ip1 label", ""), layer("loss2", "ip2 data", "")],
        [layer("data", "", "data label"), split("data", "data_data_0_split", 2),
         layer("ip1", "data_data_0_split_0", "ip1"), layer("relu1", "ip1", "ip1"), split("ip1", "ip1_relu1_0_split", 2),
         layer("ip2", "ip1_relu1_0_split_0", "ip2"), layer("loss1", "ip1_relu1_0_split_1 label", ""),
         layer("loss2", "ip2 data_data_0_split_1", "")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPLITS)
def test_insert_splits(name):
    before, after = SPLITS[name]
    net, expected = read_text(" ".join(before)), read_text(" ".join(after or before))
    once = insert_splits(net)
    assert write_text(once) == write_text(expected)
    assert insert_splits(once) == once


def test_googlenet_has_the_splits_that_tutorials_print(shared_data):
    net = upgrade(read_text_file(shared_data / "caffe" / "bvlc_googlenet" / "deploy.prototxt"))
    splits = [layer for layer in insert_splits(net).layer if layer.type == "Split"]
    assert len(splits) == 9
    assert splits[0].top == [f"pool2/3x3_s2_pool2/3x3_s2_0_split_{index}" for index in range(4)]
    assert splits[1].name == "inception_3a/output_inception_3a/output_0_split"


def test_reading_what_nothing_makes_is_an_error():
    net = read_text(layer("data", "", "data") + layer("ip", "dat", "ip"))
    with pytest.raises(
        NetworkFileError,
        match=r"layer 'ip' reads 'dat', which no layer before it makes\. Did you mean 'data'",
    ):
        insert_splits(net)


def test_a_net_whose_data_stand_in_stages_is_used_in_the_first() -> None:
    text = """
layer { name: "a" type: "HDF5Data" top: "x" include { phase: TEST stage: "on-val" } }
layer { name: "b" type: "HDF5Data" top: "data" include { phase: TEST stage: "on-train" } }
layer { name: "r" type: "ReLU" bottom: "data" top: "r" }
"""
    net = upgrade(read_text(text))
    used, note = layers_to_use(net, None, 0, ())
    assert [layer.name for layer in used.layer] == ["b", "r"]
    assert note == "only in stages is 'data' made: the network is opened in stage 'on-train'"
    assert [layer.name for layer in layers_to_use(net, "TEST", 0, ["on-val"])[0].layer] == ["a", "r"]
