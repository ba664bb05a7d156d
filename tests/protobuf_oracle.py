"""Google's protobuf as an independent reader and writer of every format's messages, in pools of its own."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

import convscope

FORMATS = Path(convscope.__file__).parent / "formats"
SCALARS = descriptor_pb2.FieldDescriptorProto


@cache
def message_class(name: str, package: str = "caffe") -> type[Any]:
    """Return protobuf's own class for a message, Caffe's or another format's."""
    return message_factory.GetMessageClass(_pool(package).FindMessageTypeByName(f"{package}.{name}"))


def parse_text(text: str, name: str = "NetParameter") -> Any:
    return text_format.Parse(text, message_class(name)())


def parse_binary(data: bytes, name: str = "NetParameter") -> Any:
    return message_class(name).FromString(data)


def to_text(message: Any) -> str:
    return text_format.MessageToString(message)


@cache
def _pool(package: str) -> descriptor_pool.DescriptorPool:
    """Build descriptors from the field numbers, with no code of convscope."""
    fields = (FORMATS / package / "fields.txt").read_text()
    blocks = re.split(r"\n(?=\w)", re.sub(r"(?m)^#.*\n", "", fields).strip())
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    lines: dict[str, list[str]] = {}
    for block in blocks:  # a message may have several: what forks added stands at the end
        lines.setdefault(block.split("\n")[0].strip(), []).extend(re.findall(r"(?m)^    (.+)$", block))
    enumerations = {name for name, body in lines.items() if ":" not in body[0]}
    messages = {name: file.message_type.add(name=name) for name in lines if name not in enumerations}
    for name in enumerations:
        owner, _, short = name.rpartition(".")
        made = (messages[owner] if owner else file).enum_type.add(name=short)
        for entry in lines[name]:
            number, value = entry.split()
            made.value.add(name=value, number=int(number))
    for name, message in messages.items():
        for entry in lines[name]:
            _add_field(message, entry, enumerations, messages, package)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add_field(
    message: Any, entry: str, enumerations: set[str], messages: dict[str, Any], package: str
) -> None:
    head, _, default = entry.partition(" = ")
    number, name, kind = re.fullmatch(r"(\d+) (\w+): (\w+)(?:\[\w*\])?", head).groups()
    field = message.field.add(name=name, number=int(number))
    field.label = SCALARS.LABEL_REPEATED if "[" in head else SCALARS.LABEL_OPTIONAL
    field.options.packed = "[packed]" in head
    if f"{message.name}.{kind}" in enumerations or kind in enumerations:
        scope = f"{message.name}.{kind}" if f"{message.name}.{kind}" in enumerations else kind
        field.type, field.type_name = SCALARS.TYPE_ENUM, f".{package}.{scope}"
    elif kind in messages:
        field.type, field.type_name = SCALARS.TYPE_MESSAGE, f".{package}.{kind}"
    else:
        field.type = getattr(SCALARS, f"TYPE_{'BYTES' if kind == 'view' else kind.upper()}")
    if not field.options.packed:
        field.ClearField("options")
    if default:
        field.default_value = default.strip('"')
