import pytest

from convscope.errors import NetworkFileError
from convscope.formats.caffe.message import Message
from convscope.formats.protobuf.parser import Parser


def parse(text, name="NetParameter"):
    message = Message(name)
    phase_is_decisive = lambda message, field: field.name == "phase"  # noqa: E731
    Parser(text, "net.prototxt", decisive=phase_is_decisive).read_fields(message)
    return message


SAME = Message("LayerParameter", name="conv1", top=["a", "b"])
SAME.ensure("convolution_param").kernel_size = [3, 5]
SPELLINGS = [
    'name: "conv1" top: "a" top: "b" convolution_param { kernel_size: 3 kernel_size: 5 }',
    "name:'conv1'top:'a'top:'b'convolution_param:{kernel_size:3kernel_size:5}".replace("3k", "3 k"),
    'name: "con" "v1", top: ["a", "b"]; convolution_param < kernel_size: [3, 5] >',
    '# c\nname: "conv" # d\n  \'1\'\ntop: ["a"] top: ["b"] convolution_param: < kernel_size: 3; kernel_size: 0x5, >\n',
    'name : "conv1"\r\ntop:"a"\r\ntop:"b"\r\nconvolution_param\r\n{\r\nkernel_size:03\r\nkernel_size:5}\r\n',
    'convolution_param { kernel_size: [] kernel_size: [3,5] } top: "a" name: "conv1" top: "\\142"',
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_every_spelling_of_the_same_message(text):
    assert parse(text, "LayerParameter") == SAME


def test_lists_of_messages():
    net = parse('layer: [{ name: "a" }, < name: "b" >] layer [{ name: "c" }]')
    assert [layer.name for layer in net.layer] == ["a", "b", "c"]


def test_messages_know_their_line():
    net = parse('name: "x"\n\nlayer {\n  name: "a"\n  convolution_param\n  { pad: 1 }\n}\nlayer { }')
    assert [layer.place for layer in net.layer] == ["line 3", "line 8"]
    assert net.layer[0].convolution_param.place == "line 6"


ERRORS = [
    ('name "x"', 1, "expected ':' and a value after 'name', found '\"x\"'."),
    ("name: 3", 1, "NetParameter.name expects text in quotes, found '3'."),
    ("name: x", 1, "NetParameter.name expects text in quotes, found 'x'."),
    ('\nname: "x', 2, 'NetParameter.name expects text in quotes, found text without its closing quote: "x.'),
    ('name: "a\nb"', 1, 'NetParameter.name expects text in quotes, found text without its closing quote: "a.'),
    ("name:", 1, "NetParameter.name expects text in quotes, found the end of the file."),
    ('name: "a"\nname: "b"', 2, "NetParameter has 'name' twice (first in line 1): keep one."),
    ("state { }\nstate { }", 2, "NetParameter has 'state' twice (first in line 1): keep one."),
    ("input_dim: 1.5", 1, "NetParameter.input_dim expects a whole number (int32), found '1.5'."),
    ("input_dim: 3x", 1, "NetParameter.input_dim expects a whole number (int32), found '3x'."),
    ("input_dim: 99999999999", 1, "NetParameter.input_dim expects a whole number (int32), found '99999999999'."),
    ("input_dim: [1, 2", 1, "expected ',' or ']' in a list, found the end of the file."),
    ("input_dim: [1 2]", 1, "expected ',' or ']' in a list, found '2'."),
    ("force_backward: yes", 1, "NetParameter.force_backward expects true or false, found 'yes'."),
    ("state: 3", 1, "expected '{' after 'state', found '3'."),
    ("state { phase: TESTING }", 1, "NetState.phase expects one of TRAIN, TEST, found 'TESTING'. Did you mean 'TEST'?"),
    ("state { phase: 5 }", 1, "NetState.phase expects one of TRAIN, TEST, found '5'."),
    ('state { phase: "TEST" }', 1, "NetState.phase expects one of TRAIN, TEST, found '\"TEST\"'."),
    ('layer {\n\n name: "a"', 3, "the file ends inside the LayerParameter that begins in line 1: a '}' is missing."),
    ("layer {\n foo {\n", 3, "the file ends inside the message that begins in line 2: a '}' is missing."),
    ("layer < }", 1, "expected the name of a field of LayerParameter, found '}'."),
    ("layer { } }", 1, "expected the name of a field of NetParameter, found '}'."),
    ("layer { } \x00", 1, "expected the name of a field of NetParameter, found '\ufffd'."),
    ("foo: ", 1, "expected a value, found the end of the file."),
    ("foo", 1, "expected ':' or '{' after a field's name, found the end of the file."),
    ("[a.b: 3", 1, "expected the name of a field of NetParameter, found '['."),
    ("n" * 101 + ": 3", 1, f"101 letters in a row are no field's name: '{'n' * 40}'."),
    (f"input_dim: {'9' * 500}", 1, f"NetParameter.input_dim expects a whole number (int32), found '{'9' * 40}'."),
    ("foo {" * 101, 1, "messages are nested more than 100 deep."),
    ("foo: [" + "[" * 5, 1, "expected a value, found '['."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "problem"), ERRORS)
def test_errors_name_the_line_and_what_is_possible(text, line, problem):
    with pytest.raises(NetworkFileError) as error:
        parse(text)
    assert str(error.value) == f"net.prototxt, line {line}: {problem}"


def test_nesting_up_to_the_limit_is_fine():
    assert parse("foo {" * 100 + "}" * 100).unknown


def test_too_many_fields(monkeypatch):
    monkeypatch.setattr("convscope.formats.protobuf.parser.MAXIMUM_FIELDS", 10)
    with pytest.raises(NetworkFileError, match="more than 10 fields"):
        parse("layer { } " * 11)
    with pytest.raises(NetworkFileError, match="more than 10 fields"):
        parse(f"input_dim: [{', '.join('1' * 20)}]")
    assert len(parse("layer { } " * 10).layer) == 10


def test_unknown_fields_are_kept_with_their_values():
    net = parse(
        'layer {\n  name: "up"\n  upsampling_param { scale: 2 mode: NEAREST "x" }\n'.replace(' "x"', "")
        + '  ratio: [0.5, 1] on: true\n  [ext.name]: "text" deep < a: 1 a: 2 a { b: -3 } >\n}'
    )
    unknown = net.layer[0].unknown
    assert [(field.name, field.value) for field in unknown] == [
        ("upsampling_param", {"scale": 2, "mode": "NEAREST"}),
        ("ratio", [0.5, 1]),
        ("on", True),
        ("[ext.name]", "text"),
        ("deep", {"a": [1, 2, {"b": -3}]}),
    ]
    assert [field.place for field in unknown] == ["line 3", "line 4", "line 4", "line 5", "line 5"]


def test_engines_of_other_caffes_are_unknown_not_wrong():
    net = parse("layer { convolution_param { engine: MKLDNN pad: 1 } }")
    parameters = net.layer[0].convolution_param
    assert (parameters.engine, parameters.pad) == ("DEFAULT", [1])
    assert [(field.name, field.value) for field in parameters.unknown] == [("engine", "MKLDNN")]
