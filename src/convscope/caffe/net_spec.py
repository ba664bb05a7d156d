"""`caffe.net_spec`: a network written in Python, layer by layer, as prototxt.

>>> from convscope.caffe import layers as L, params as P
>>> n = caffe.NetSpec()
>>> n.data = L.Input(shape=dict(dim=[1, 3, 227, 227]))
>>> n.conv1 = L.Convolution(n.data, kernel_size=11, stride=4, num_output=96)
>>> n.relu1 = L.ReLU(n.conv1, in_place=True)
>>> n.pool1 = L.Pooling(n.relu1, pool=P.Pooling.MAX, kernel_size=3, stride=2)
>>> print(n.to_proto())
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from convscope.caffe.proto.message import ProtoMessage, class_of, wrap
from convscope.errors import InputError, did_you_mean
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.schema import message_type


class Top:
    """One output of a layer, to be given to the next layer; made by `layers`."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn, self.n = fn, n

    def to_proto(self) -> ProtoMessage:
        """Return the net of all layers this output needs, with names made up."""
        return to_proto(self)


class Function:
    """A layer to be: its type, the outputs it reads and its settings; made by `layers`."""

    def __init__(self, type_name: str, inputs: tuple[Top, ...], params: dict[str, Any]) -> None:
        for index, top in enumerate(inputs):
            if not isinstance(top, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(top)})")
        self.type_name, self.inputs = type_name, inputs
        self.ntop: int = params.pop("ntop", 1)
        self.in_place: bool = params.pop("in_place", False)
        self.params = params
        self.tops = tuple(Top(self, n) for n in range(self.ntop))


Made: TypeAlias = Top | Function


class NetSpec:
    """Outputs under the names they are assigned to; `to_proto` gives the net that makes them all."""

    tops: dict[str, Made]

    def __init__(self) -> None:
        object.__setattr__(self, "tops", {})

    def __setattr__(self, name: str, value: Made) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name not in self.tops:
            raise AttributeError(f"this net has no {name!r}.{did_you_mean(name, self.tops)}")
        return self.tops[name]

    __setitem__ = __setattr__

    def __getitem__(self, name: str) -> Any:
        return self.tops[name]

    def __delitem__(self, name: str) -> None:
        del self.tops[name]

    def keys(self) -> list[str]:
        """Return the names."""
        return list(self.tops)

    def vals(self) -> list[Made]:
        """Return the outputs (for layers without any, the layers)."""
        return list(self.tops.values())

    def update(self, name: str, params: Mapping[str, Any]) -> None:
        """Change settings of the layer that makes an output."""
        blob = self.tops[name]
        (blob.fn if isinstance(blob, Top) else blob).params.update(params)

    def to_proto(self) -> ProtoMessage:
        """Return the net, a NetParameter; `str` of it is prototxt that `caffe.Net` opens."""
        return _net(self.tops.values(), {blob: name for name, blob in self.tops.items()})


def to_proto(*tops: Made) -> ProtoMessage:
    """Return the net of all layers these outputs need, with names made up from the layers' types."""
    return _net(tops, {})


def _net(tops: Iterable[Made], names: dict[Made, str]) -> ProtoMessage:
    naming, net = _Naming(names), Message("NetParameter")
    messages: dict[Function, Message] = {}
    # Layers are written after those they read; a stack instead of recursion, for nets of any depth.
    stack = [blob.fn if isinstance(blob, Top) else blob for blob in reversed(list(tops))]
    while stack:
        layer = stack.pop()
        missing = [top.fn for top in layer.inputs if top.fn not in messages]
        if layer in messages:
            continue
        if missing:
            stack += [layer, *reversed(missing)]
            continue
        messages[layer] = _layer(layer, [messages[top.fn].top[top.n] for top in layer.inputs], naming)
        net.layer.append(messages[layer])
    return wrap(net)


class _Naming:
    """Names given by the user, and made up for the rest: the type and a running number."""

    def __init__(self, names: dict[Made, str]) -> None:
        self._names, self._count = names, Counter[str]()

    def __call__(self, function: Made, type_name: str) -> str:
        if function not in self._names:
            self._count[type_name] += 1
            self._names[function] = f"{type_name}{self._count[type_name]}"
        return self._names[function]


def _layer(layer: Function, bottoms: list[str], naming: _Naming) -> Message:
    tops = bottoms if layer.in_place else [naming(top, layer.type_name) for top in layer.tops]
    name = naming(layer.tops[0] if layer.tops else layer, layer.type_name)
    message = Message("LayerParameter", name=name, type=layer.type_name, bottom=bottoms, top=list(tops))
    own = _PARAMETERS.get(layer.type_name, ("", {}))
    for key, value in layer.params.items():
        inside = not key.endswith("param") and key in own[1]
        try:
            _assign(message.ensure(own[0]) if inside else message, key, value, own[1])
        except InputError as error:
            raise InputError(f"{layer.type_name} layer {name!r}: {error}") from error
    return message


def _assign(message: Message, name: str, value: Any, others: Iterable[str] = ()) -> None:
    """Set a field as Python writes it: a dict for a message, a list for a repeated field, or one value of it."""
    fields = message_type(message.type_name).fields
    field = fields.get(name)
    if field is None:
        raise InputError(f"there is no setting {name!r}.{did_you_mean(name, [*others, *fields])}")
    if field.message is None:
        setattr(message, name, _listed(value) if field.repeated else value)
        return
    for item in _listed(value) if field.repeated else [value]:
        target = message.add(name) if field.repeated else message.ensure(name)
        for key, inner in item.items():
            _assign(target, key, inner)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


_PARAMETERS = {
    field.message.name.removesuffix("Parameter"): (field.name, field.message.fields)
    # Backwards, so that Caffe's own field stays: forks, which come after, have others of the same message.
    for field in reversed(message_type("LayerParameter").fields.values())
    if field.message and field.name.endswith("_param")
}
_PARAMETERS |= dict.fromkeys(("Deconvolution", "Im2col"), _PARAMETERS["Convolution"])
_PARAMETERS |= dict.fromkeys(("LSTM", "RNN"), _PARAMETERS["Recurrent"])


class Layers:
    """Every layer type by its name: `layers.Convolution(bottom, kernel_size=3, num_output=8)` is an output to be.

    `ntop` outputs come as a tuple, none as the layer itself; `in_place=True` writes over the input.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def layer(*inputs: Top, **params: Any) -> Any:
            function = Function(name, inputs, params)
            return function.tops[0] if function.ntop == 1 else (function.tops or function)

        return layer


class Parameters:
    """The values of enumerations: `params.Pooling.MAX`, `params.Eltwise.SUM`."""

    def __getattr__(self, name: str) -> type[ProtoMessage]:
        try:
            return class_of(f"{name}Parameter")
        except KeyError:
            raise AttributeError(
                f"there are no {name} parameters.{did_you_mean(name, _PARAMETERS)}"
            ) from None


layers = Layers()
params = Parameters()
