"""Which layers a net has in a phase, and the copies Caffe makes of a blob that is read more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from convscope.errors import NetworkFileError, did_you_mean
from convscope.formats.caffe.message import Message

Top = tuple[int, int]  # a layer's index (-1: the net's own inputs) and the index of its top


def filter_layers(net: Message, phase: str = "TEST", level: int = 0, stages: Iterable[str] = ()) -> Message:
    """Return the net with only the layers whose include and exclude rules the state meets.

    A layer with `include` rules stays when any of them is met, one with `exclude` rules when none is. A rule is met
    when its phase, its levels (``min_level`` to ``max_level``) and all its stages agree, and no ``not_stage`` is on.
    """
    filtered_net = net.copy()
    state = Message("NetState", phase=phase, level=level, stage=list(stages))
    filtered_net.layer = [layer for layer in filtered_net.layer if _stays(layer, state)]
    return filtered_net


def layers_to_use(net: Message, phase: str | None, level: int, stages: Iterable[str]) -> tuple[Message, str]:
    """Return the net in a phase (TEST unless one is asked for), and what to know about it.

    A text that is only for training has its data only there: then it is used as it is in training. One that has them in
    stages is used in the first of them.
    """
    stages = list(stages)
    net_of_phase = filter_layers(net, phase or "TEST", level, stages)
    if phase is None and (missing := _unmade(net_of_phase)):
        training = filter_layers(net, "TRAIN", level, stages)
        if not _unmade(training):
            return (
                training,
                f"only for training is {missing!r} made: the network is opened as in training (phase TRAIN)",
            )
    if not stages and (missing := _unmade(net_of_phase)):
        for stage in _stages(net):
            staged = filter_layers(net, phase or "TEST", level, [stage])
            if not _unmade(staged):
                return staged, f"only in stages is {missing!r} made: the network is opened in stage {stage!r}"
    return net_of_phase, ""


def _stages(net: Message) -> list[str]:
    """Return the stages that the layers' rules speak of, in their order."""
    rules = (rule for layer in net.layer for rule in (*layer.include, *layer.exclude))
    return list(dict.fromkeys(str(stage) for rule in rules for stage in rule.stage))


def _unmade(net: Message) -> str:
    """Return the first blob that a layer reads and none before it makes; nothing, for a net that is whole."""
    tops: set[str] = set()
    for layer in net.layer:
        for blob in layer.bottom:
            if blob not in tops:
                return str(blob)
        tops.update(layer.top)
    return ""


def _stays(layer: Message, state: Message) -> bool:
    if layer.has("include") and layer.has("exclude"):
        raise NetworkFileError(
            f"layer {layer.name!r} ({layer.place}) has include and exclude rules: use one kind."
        )
    if layer.has("include"):
        return any(_meets(state, rule) for rule in layer.include)
    return not any(_meets(state, rule) for rule in layer.exclude)


def _meets(state: Message, rule: Message) -> bool:
    stages = set(state.stage)
    if any(field.name == "phase" for field in rule.unknown):  # a fork's own
        return False
    return (
        (not rule.has("phase") or rule.phase == state.phase)
        and (not rule.has("min_level") or rule.min_level <= state.level)
        and (not rule.has("max_level") or state.level <= rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )


def insert_splits(net: Message) -> Message:
    """Return the net with a ``Split`` layer after every top that is read more than once, as pycaffe lists it.

    The layer is ``<blob>_<layer>_<index>_split`` and its tops ``<blob>_<layer>_<index>_split_<k>``, one a reader; a top
    with a loss weight is read once more, by the loss.
    """
    readers, sources = _readers(net)
    use_count: Counter[Top] = Counter()
    split = net.copy()
    layers = [
        _split_layer(blob, "input", top, readers[top])
        for top, blob in _tops(-1, net.input)
        if readers[top] > 1
    ]
    for index, layer in enumerate(split.layer):
        for position, blob in enumerate(layer.bottom):
            top = sources[index, position]
            if readers[top] > 1:
                owner = "input" if top[0] < 0 else net.layer[top[0]].name
                layer.bottom[position] = f"{_split_name(blob, owner, top)}_{use_count[top]}"
                use_count[top] += 1
        layers.append(layer)
        for top, blob in _tops(index, layer.top):
            if readers[top] > 1:
                layers.append(_split_layer(blob, layer.name, top, readers[top]))
                if _loss_weight(layer, top[1]):
                    use_count[top] = 1
                    layers[-1].loss_weight = [_loss_weight(layer, top[1]), *[0.0] * (readers[top] - 1)]
        if any(readers[top] > 1 and _loss_weight(layer, top[1]) for top, _ in _tops(index, layer.top)):
            layer.clear("loss_weight")
    split.layer = layers
    return split


def _readers(net: Message) -> tuple[Counter[Top], dict[Top, Top]]:
    """Return how often each top is read, and which top each (layer, bottom) reads."""
    readers: Counter[Top] = Counter()
    sources: dict[Top, Top] = {}
    newest = {blob: top for top, blob in _tops(-1, net.input)}
    for index, layer in enumerate(net.layer):
        for position, blob in enumerate(layer.bottom):
            if blob not in newest:
                hint = did_you_mean(blob, newest)
                raise NetworkFileError(
                    f"layer {layer.name!r} reads {blob!r}, which no layer before it makes.{hint}"
                )
            sources[index, position] = newest[blob]
            readers[newest[blob]] += 1
        for top, blob in _tops(index, layer.top):
            newest[blob] = top
            readers[top] += bool(_loss_weight(layer, top[1]))
    return readers, sources


def _tops(index: int, blobs: list[str]) -> list[tuple[Top, str]]:
    return [((index, position), blob) for position, blob in enumerate(blobs)]


def _loss_weight(layer: Message, position: int) -> float:
    return float(layer.loss_weight[position]) if position < len(layer.loss_weight) else 0.0


def _split_layer(blob: str, owner: str, top: Top, count: int) -> Message:
    name = _split_name(blob, owner, top)
    tops = [f"{name}_{index}" for index in range(count)]
    return Message("LayerParameter", name=name, type="Split", bottom=[blob], top=tops)


def _split_name(blob: str, owner: str | None, top: Top) -> str:
    return f"{blob}_{owner or ''}_{top[1]}_split"
