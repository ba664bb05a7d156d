import pytest
from hypothesis import given

from caffe_strategies import messages
from convscope.errors import ConvscopeWarning, NetworkFileError
from convscope.formats.caffe.text import read_text, read_text_file, write_text
from convscope.formats.caffe.wire import write_binary
from protobuf_oracle import message_class, parse_text, to_text


def test_every_real_file_says_to_us_what_it_says_to_protobuf(shared_data):
    paths = sorted(shared_data.glob("caffe/*/*.prototxt"))
    assert len(paths) == 9
    for path in paths:
        ours, theirs = read_text_file(path), parse_text(path.read_text())
        assert len(ours.layer) + len(ours.layers) >= 2
        assert write_binary(ours) == theirs.SerializeToString(), path
        assert read_text(to_text(theirs)) == ours, path
        assert parse_text(write_text(ours)) == theirs, path


@given(messages())
def test_what_we_write_protobuf_reads(net):
    theirs = parse_text(write_text(net))
    assert theirs.SerializeToString() == write_binary(net)
    assert read_text(to_text(theirs)) == read_text(write_text(net)) == net


@given(messages("Datum"))
def test_bytes_are_text_too(datum):
    assert parse_text(write_text(datum), "Datum").SerializeToString() == write_binary(datum)


def test_writing_looks_as_caffe_writes_it():
    net = read_text("layer { type: 'LRN' lrn_param { alpha: 0.0001 } bottom: 'a' } name: \"x\\\"y\"")
    assert write_text(net) == (
        'name: "x\\"y"\nlayer {\n  type: "LRN"\n  bottom: "a"\n  lrn_param {\n    alpha: 0.0001\n  }\n}\n'
    )


def test_unknown_fields_are_warned_about_and_written_back():
    text = (
        'layer {\n  name: "up"\n  upsampling_param {\n    scale: 2\n    mode: NEAREST\n    name: "NEAREST"\n'
        "    on: true\n    pad: 1\n    pad: 2\n  }\n}\n"
    )
    with pytest.warns(
        ConvscopeWarning, match=r"^a\.prototxt has .*LayerParameter\.upsampling_param \(line 3\)\.$"
    ):
        net = read_text(text, file="a.prototxt")
    assert write_text(net) == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path, encoding):
    path = tmp_path / "net.prototxt"
    path.write_bytes('# café\nname: "café"\nlayer { }'.encode(encoding))
    assert read_text_file(path).name == "café"


REFUSED = [
    (b"", r" is empty, not a network's description \(prototxt text\)\. Download or copy it again\.$"),
    (b" \n\n", r" is empty: it holds nothing but blank space\.$"),
    (b"\x89HDF\r\n\x1a\n\0\0", r" is an HDF5 file, not a network's description"),
    (b"<!doctype html><html>", r" is a web page \(HTML\), not a network's description"),
    (b"version https://git-lfs.github.com/spec/v1\n", r" is a Git LFS pointer, not a network's description"),
    (
        b"\x0a\x05LeNet\xa2\x06\x02\x0a\x00",
        r" is a network's weights \(caffemodel\), not .* Give the \.prototxt first",
    ),
    (b"\x00\x01\x02", r" is binary data, not a network's description"),
    (
        b'net: "models/x.prototxt"\nbase_lr: 0.1',
        r" is a solver .*; the network it trains is 'models/x\.prototxt'\.$",
    ),
    (b"base_lr: 0.1 type: 'Adam'", r" is a solver \(the settings of a training run\), not a network\.$"),
    (
        b'node { name: "x" op: "Const" } versions { producer: 8 }',
        r" is not a Caffe network: its fields are node",
    ),
    (b"n01440764 tench", r", line 1: expected ':' or '\{' after a field's name, found 'tench'\.$"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_other_files_get_a_sentence_of_their_own(tmp_path, content, message):
    path = tmp_path / "net.prototxt"
    path.write_bytes(content)
    with pytest.raises(NetworkFileError, match=message) as error:
        read_text_file(path)
    assert str(error.value).startswith(str(path))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(
        NetworkFileError, match=r"nowhere\.prototxt does not exist: give the path of a file\.$"
    ):
        read_text_file(tmp_path / "nowhere.prototxt")
    with pytest.raises(NetworkFileError, match=r"not a file: give the path of a file\.$"):
        read_text_file(tmp_path)


def test_a_huge_file_is_refused_before_it_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("convscope.formats.caffe.text.MAXIMUM_BYTES", 100)
    path = tmp_path / "net.prototxt"
    path.write_text("# " + "x" * 200)
    with pytest.raises(NetworkFileError, match="too large for a network's description"):
        read_text_file(path)


def test_a_solver_can_be_read_as_one():
    solver = read_text("net: 'a.prototxt' base_lr: 0.01 solver_mode: CPU", "SolverParameter")
    assert (solver.net, solver.solver_mode, solver.type) == ("a.prototxt", "CPU", "SGD")
    assert (
        write_binary(solver)
        == message_class("SolverParameter")(net="a.prototxt", base_lr=0.01, solver_mode=0).SerializeToString()
    )
