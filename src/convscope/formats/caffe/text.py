"""Prototxt, Caffe's text form, both ways: what a person wrote, with the line named when it is wrong.

>>> net = read_text('name: "tiny" layer { name: "data" type: "Input" top: "data" }')
>>> net.layer[0].top
['data']
>>> print(write_text(net.layer[0]), end="")
name: "data"
type: "Input"
top: "data"
"""

from __future__ import annotations

from os import PathLike
from typing import Any

from convscope.errors import NetworkFileError
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.schema import message_type
from convscope.formats.protobuf import message as protobuf
from convscope.formats.protobuf.literals import write_guessed, write_value
from convscope.formats.protobuf.parser import Parser, decoded
from convscope.formats.protobuf.records import open_source
from convscope.formats.protobuf.schema import Field
from convscope.formats.protobuf.unknown import warn_of_unknown
from convscope.formats.recognition import HEAD, expect_description

MAXIMUM_BYTES = 8 * 2**20

_SOLVER_FIELDS = frozenset(message_type("SolverParameter").fields) - set(message_type("NetParameter").fields)


def read_text_file(path: str | PathLike[str], type_name: str = "NetParameter") -> Message:
    """Read a prototxt file; errors name the file and the line (`NetworkFileError`)."""
    source = open_source(path)
    file, size = source.file, len(source.view)
    expect_description(bytes(source.view[:HEAD]), file)
    if size > MAXIMUM_BYTES:
        raise NetworkFileError(
            f"{file} is over {MAXIMUM_BYTES // 2**20} MB, too large for a network's description."
        )
    text = decoded(bytes(source.view))
    if not text.strip():
        raise NetworkFileError(f"{file} is empty: it holds nothing but blank space.")
    return read_text(text, type_name, file=file)


def read_text(text: str, type_name: str = "NetParameter", *, file: str = "prototxt") -> Message:
    """Read a message from text in protobuf's text form.

    Fields convscope does not know are kept in `Message.unknown`, and one `ConvscopeWarning` lists them.
    What protobuf itself would refuse raises `NetworkFileError` with the line: ``net.prototxt, line 12: ...``.
    """
    parser = Parser(text, file, decisive=_decides_which_layers)
    message = Message(type_name)
    parser.read_fields(message)
    if type_name == "NetParameter":
        _refuse_other_messages(message, file)
    warn_of_unknown(message, file)
    return message


def write_text(message: Message) -> str:
    """Return a message in protobuf's text form, two spaces a level, a line a value, fields by number."""
    return "".join(f"{line}\n" for line in _lines(message))


def _decides_which_layers(message: protobuf.Message, field: Field) -> bool:
    """Whether the layers of the net hang on this field: without its value there is no net to talk about.

    A rule may name a phase that only a fork has (RUN): here it is never met.
    """
    if message.type_name == "NetStateRule":
        return False
    return field.name == "phase" or message.type_name.startswith(("Net", "Solver"))


def _refuse_other_messages(net: Message, file: str) -> None:
    unknown = {field.name: field.value for field in net.unknown}
    if net.has("layer") or net.has("layers") or not unknown:
        return
    if _SOLVER_FIELDS & set(unknown):
        net_file = unknown.get("net") or unknown.get("train_net")
        where = f"; the network it trains is {net_file!r}" if net_file else ""
        raise NetworkFileError(f"{file} is a solver (the settings of a training run), not a network{where}.")
    if not any(True for _ in net.fields()):
        names = ", ".join(sorted(unknown)[:5])
        raise NetworkFileError(
            f"{file} is not a Caffe network: its fields are {names}, and it has no `layer`."
        )


def _lines(message: Message, indent: str = "") -> list[str]:
    lines = []
    for field, value in message.fields():
        for item in value if field.repeated else [value]:
            if isinstance(item, Message):
                lines += [f"{indent}{field.name} {{", *_lines(item, indent + "  "), f"{indent}}}"]
            else:
                lines.append(f"{indent}{field.name}: {write_value(field, item)}")
    for unknown in message.unknown:
        if not isinstance(unknown.value, memoryview):
            lines += _unknown_lines(unknown.name, unknown.value, indent)
    return lines


def _unknown_lines(name: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, list):
        return [line for item in value for line in _unknown_lines(name, item, indent)]
    if isinstance(value, dict):
        inner = [line for key, item in value.items() for line in _unknown_lines(key, item, indent + "  ")]
        return [f"{indent}{name} {{", *inner, f"{indent}}}"]
    return [f"{indent}{name}: {write_guessed(value)}"]
