"""What each output of a network is, told from its shape and what made it: a detector's numbers are no percentages."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from convscope.errors import InputError
from convscope.formats.opening import open_network
from convscope.network.graph import CHANNELS_LAST, Graph, Operation
from convscope.network.network import Network
from convscope.network.outputs import find_outputs
from convscope.network.parameters import Parameters
from planted import planted_network


class Net(nn.Module):
    """A few layers that different ends are put on: features (N, 8, 12, 16) of a picture (N, 3, 48, 64)."""

    def __init__(self, end: Callable[[nn.Module, Tensor], object], **parts: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()
        )
        self.end = end
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> object:
        return self.end(self, self.features(x))


def roles(end: Callable[..., object], labels: list[str] | None = None, **parts: nn.Module) -> dict[str, str]:
    torch.manual_seed(0)
    network = open_network(Net(end, **parts), input_shape=(1, 3, 48, 64), labels=labels)
    return {output.name: output.role for output in network.outputs}


def role(end: Callable[..., object], **parts: nn.Module) -> str:
    (found,) = roles(end, **parts).values()
    return found


def pooled(x: Tensor) -> Tensor:
    return x.mean((2, 3))


def up(x: Tensor) -> Tensor:
    return F.interpolate(x, size=(48, 64), mode="bilinear")


def conv(channels: int, kernel: int = 1) -> nn.Module:
    return nn.Conv2d(8, channels, kernel, padding=kernel // 2)


def by_rows(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2).softmax(2).transpose(1, 2).view(x.shape)


wide = nn.Linear(8, 48 * 64)
ENDS = {
    "softmax": ("classes", lambda n, x: n.fc(pooled(x)).softmax(1), {"fc": nn.Linear(8, 5)}),
    "several labels": ("classes", lambda n, x: n.fc(pooled(x)).sigmoid(), {"fc": nn.Linear(8, 5)}),
    "one label": ("classes", lambda n, x: n.fc(pooled(x)).sigmoid(), {"fc": nn.Linear(8, 1)}),
    "bare scores": ("classes", lambda n, x: n.fc(pooled(x)), {"fc": nn.Linear(8, 5)}),
    "network in network": ("classes", lambda n, x: pooled(F.relu(n.fc(x))), {"fc": conv(5)}),
    "a number": ("vector", lambda n, x: n.fc(pooled(x)), {"fc": nn.Linear(8, 1)}),
    "landmarks of a face": ("vector", lambda n, x: n.fc(pooled(x)), {"fc": nn.Linear(8, 136)}),
    "landmarks by name": ("vector", lambda n, x: n.landmarks(pooled(x)), {"landmarks": nn.Linear(8, 10)}),
    "features": ("vector", lambda n, x: pooled(x), {}),
    "after a ReLU": ("vector", lambda n, x: F.relu(n.fc(pooled(x))), {"fc": nn.Linear(8, 7)}),
    "a descriptor": ("vector", lambda n, x: F.normalize(n.fc(pooled(x))), {"fc": nn.Linear(8, 7)}),
    "segmentation": ("class map", lambda n, x: up(n.head(x)), {"head": conv(21)}),
    "with a softmax": ("class map", lambda n, x: up(n.head(x)).softmax(1), {"head": conv(4)}),
    "two classes": ("class map", lambda n, x: up(n.head(x)), {"head": conv(2)}),
    "argmax": ("class map", lambda n, x: up(n.head(x)).argmax(1), {"head": conv(6)}),
    "three classes": ("class map", lambda n, x: n.head(up(x)), {"head": conv(3)}),
    "a mask": ("picture", lambda n, x: n.head(up(x)).sigmoid(), {"head": conv(1)}),
    "an autoencoder": ("picture", lambda n, x: n.head(up(x)).sigmoid(), {"head": conv(3, 3)}),
    "a painter": ("picture", lambda n, x: n.head(up(x)), {"head": conv(3, 9)}),
    "super resolution": ("picture", lambda n, x: F.pixel_shuffle(n.head(x), 8), {"head": conv(192, 3)}),
    "turned": ("picture", lambda n, x: n.head(up(x)).sigmoid().permute(0, 2, 3, 1), {"head": conv(3, 3)}),
    "classes, turned": ("class map", lambda n, x: up(n.head(x)).softmax(1).permute(0, 2, 3, 1), {"head": conv(4)}),
    "a decoder's numbers": ("picture", lambda n, x: n.fc(pooled(x)).sigmoid().view(-1, 1, 48, 64), {"fc": wide}),
    "rows of classes": ("class map", lambda n, x: by_rows(up(n.head(x))), {"head": conv(4)}),
    "heat maps": ("map", lambda n, x: n.head(x), {"head": conv(17)}),
    "features as maps": ("map", lambda n, x: x, {}),
    "tokens": ("tokens", lambda n, x: n.head(x).flatten(2).transpose(1, 2), {"head": conv(32)}),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_an_output_is_called_what_it_is(name: str) -> None:
    expected, end, parts = ENDS[name]
    assert role(end, **parts) == expected


def test_an_autoencoders_code_is_no_class() -> None:
    def end(net: nn.Module, x: Tensor) -> object:
        code = net.code(pooled(x))
        return net.decoder(code).view(-1, 3, 48, 64), code

    parts = {"code": nn.Linear(8, 5), "decoder": nn.Linear(5, 3 * 48 * 64)}
    assert list(roles(end, **parts).values()) == ["picture", "vector"]


def test_a_coarse_map_of_a_classifier_is_its_answer_in_several_places() -> None:
    assert role(lambda n, x: n.head(F.max_pool2d(x, 4)).softmax(1), head=conv(4)) == "classes"
    assert role(lambda n, x: n.head(F.max_pool2d(x, 4)), head=conv(85)) == "boxes"
    assert role(lambda n, x: n.head(F.max_pool2d(x, 4)), head=conv(19)) == "map"


def test_labels_say_that_there_are_classes() -> None:
    def end(net: nn.Module, x: Tensor) -> Tensor:
        return net.landmarks(pooled(x))  # type: ignore[no-any-return,operator]

    names = [f"kind {index}" for index in range(10)]
    assert roles(end, labels=names, landmarks=nn.Linear(8, 10)) == {"landmarks": "classes"}


def test_a_detectors_outputs() -> None:
    def end(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
        rows = net.head(x).flatten(2).transpose(1, 2)  # type: ignore[operator]
        return {"box": rows[..., :4], "scores": rows[..., 4:].softmax(2)}

    assert roles(end, head=conv(9)) == {"box": "boxes", "scores": "boxes"}
    yolo = role(lambda n, x: F.pad(n.head(x).flatten(2), (0, 308)), head=conv(84))
    assert yolo == "boxes"  # (84, 500)
    one_class = role(lambda n, x: F.pad(n.head(x).flatten(2), (0, 2000)), head=conv(5))
    assert one_class == "boxes"  # no class's token and four of places


def test_a_detectors_scores_are_not_called_boxes() -> None:
    def end(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
        rows = net.head(x).flatten(2).transpose(1, 2)  # type: ignore[operator]
        return {"box": rows[..., :4], "faces": rows[..., 4:7].softmax(2), "points": rows[..., 7:]}

    network = open_network(Net(end, head=conv(17)), input_shape=(1, 3, 48, 64))
    assert [str(output) for output in network.outputs] == [
        "box: boxes, 192 × 4",
        "faces: scores of boxes, 192 × 3",
        "points: numbers of boxes, 192 × 10",
    ]


def test_one_number_of_each_box_is_its_score_and_no_class() -> None:
    """As YuNet's face detector has them: a sigmoid of one number a place, and the four of its box beside it."""

    def end(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
        rows = net.head(x).flatten(2).transpose(1, 2)  # type: ignore[operator]
        flat = net.fc(pooled(x)).sigmoid()  # type: ignore[operator]
        return {"obj": rows[..., 4:].sigmoid(), "flat": flat, "bbox": rows[..., :4]}

    network = open_network(Net(end, head=conv(5), fc=nn.Linear(8, 192)), input_shape=(1, 3, 48, 64))
    assert [str(output) for output in network.outputs] == [
        "obj: scores of boxes, 192 × 1",
        "flat: scores of boxes, 192",
        "bbox: boxes, 192 × 4",
    ]
    assert network.class_values == () and network.class_count is None


def test_numbers_that_are_as_many_as_a_picture_has_places_are_no_classes() -> None:
    assert role(lambda n, x: n.head(x).flatten(1), head=conv(1)) == "vector"
    assert role(lambda n, x: n.head(x).flatten(1).sigmoid(), head=conv(1)) == "vector"
    assert role(lambda n, x: n.head(x).sigmoid().flatten(1), head=conv(1)) == "map"


def test_the_names_of_a_dictionary_are_kept() -> None:
    def end(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
        return {"scores": net.fc(pooled(x)).sigmoid(), "box": net.four(pooled(x))}  # type: ignore[operator]

    torch.manual_seed(0)
    network = open_network(Net(end, fc=nn.Linear(8, 5), four=nn.Linear(8, 4)), input_shape=(1, 3, 48, 64))
    assert [(output.name, output.role) for output in network.outputs] == [
        ("scores", "classes"),
        ("box", "boxes"),
    ]
    assert network.class_output == network.outputs[0].value
    x = torch.rand(2, 3, 48, 64)
    assert torch.equal(
        network.activations(x, "scores")["scores"], network.activations(x, network.class_output).popitem()[1]
    )
    assert [str(output) for output in network.outputs] == ["scores: 5 classes", "box: boxes, 4"]


def test_what_is_only_taken_for_classes_says_so() -> None:
    network = open_network(Net(lambda n, x: n.fc(pooled(x)), fc=nn.Linear(8, 37)), input_shape=(1, 3, 48, 64))
    assert str(network.outputs[0]) == "fc: 37 classes, as far as can be told"
    assert not network.outputs[0].sure and network.class_count == 37


def test_a_segmentation_is_not_classified_and_has_labels() -> None:
    def end(net: nn.Module, x: Tensor) -> Tensor:
        return up(net.head(x))  # type: ignore[operator]

    labels = ["road", "tree", "sky", "cat"]
    network = open_network(Net(end, head=conv(4)), input_shape=(1, 3, 48, 64), labels=labels)
    assert network.class_count == 4 and network.class_values == ()
    with pytest.raises(
        InputError, match=r"no classifier; its outputs are .*: a map of 4 classes, 4 × 48 × 64"
    ):
        network.predict("cat")
    assert network.resolve(f"{network.outputs[0].value}:sky").channel == 2


def test_roles_do_not_depend_on_where_the_channels_are() -> None:
    last = planted_network(channels_last=True)
    assert [str(output) for output in last.outputs] == ["prob: 3 classes"]
    assert find_outputs(last.graph, dict.fromkeys(last.graph.values))[0].role == "classes"
    assert isinstance(last, Network) and last.main_output == "prob"


@pytest.mark.parametrize("last", [False, True])
def test_an_output_turned_to_the_other_order_is_shown_as_it_was_before(last: bool) -> None:
    """TensorFlow's super resolution gives its picture channels first; what tf2onnx wrote takes and gives it last."""
    first, back = ({"order": (0, 3, 1, 2)}, {"order": (0, 2, 3, 1)})
    order = {CHANNELS_LAST: True} if last else {}
    steps = (
        Operation("identity" if last else "permute", "in", "", ("x",), ("in",), {}, order if last else first),
        Operation("tanh", "y", "", ("in",), ("y",), {}, order),
        Operation("permute", "z", "", ("y",), ("z",), {}, first if last else back),
        Operation("identity", "out", "", ("z",), ("out",)),
    )
    none = Parameters({}, lambda name: torch.zeros(0))
    graph = Graph("turned", {"x": (1, 40, 56, 3)}, steps, ("out",), none, channels_last=last)
    (output,) = Network(graph, input_spec=None).outputs
    assert (str(output), output.value) == ("out: a picture, 3 × 40 × 56", "y")


def test_a_last_layer_of_codes_is_one_of_scores() -> None:
    """ONNX's QLinearMatMul: a product with stored weights between a rounding before it and one behind."""
    codes = {"low": 0, "high": 255}
    steps = (
        Operation("flatten", "rows", "", ("x",), ("rows",)),
        Operation("matmul", "p", "", ("rows",), ("p",), {"weight": "w"}),
        Operation("quantize", "q", "", ("p",), ("q",), {"scale": "s"}, codes),
        Operation("dequantize", "out", "", ("q",), ("out",), {"scale": "s"}),
    )
    stored = {"w": torch.randn(48, 7), "s": torch.tensor(0.1)}
    parameters = Parameters({name: tuple(one.shape) for name, one in stored.items()}, stored.__getitem__)
    graph = Graph("codes", {"x": (1, 3, 4, 4)}, steps, ("out",), parameters)
    assert [str(output) for output in Network(graph, input_spec=None).outputs] == [
        "out: 7 classes, as far as can be told"
    ]


def test_the_labels_say_which_output_tells_the_classes() -> None:
    """Ten scores, beside the four fractions of a box: labels of ten were refused, as four classes were read."""

    def three(net: Net, x: Tensor) -> object:
        x = pooled(x)
        return net.score(x), net.group(x).softmax(1), net.fraction(x).sigmoid()

    parts = {"score": nn.Linear(8, 10), "group": nn.Linear(8, 3), "fraction": nn.Linear(8, 4)}
    torch.manual_seed(0)
    module = Net(three, **parts)
    for labels, output in ([f"class {index}" for index in range(10)], "score"), (["a", "b", "c"], "softmax"):
        network = open_network(module, input_shape=(1, 3, 48, 64), labels=labels)
        assert network.class_output == output
        picture = torch.rand(1, 3, 48, 64)
        answer = module.eval()(picture)[0 if output == "score" else 1]
        assert network.predict(picture, top=1)[0][0] == labels[int(answer.argmax())]
    with pytest.raises(InputError, match="there are 9 labels given"):
        open_network(module, input_shape=(1, 3, 48, 64), labels=["a"] * 9)


def test_fractions_that_are_called_a_box_are_no_classes() -> None:
    def ends(net: Net, x: Tensor) -> object:
        return {
            "logits": net.score(pooled(x)),
            "box": net.box(pooled(x)).sigmoid(),
            "age": net.age(pooled(x)).sigmoid(),
        }

    found = roles(ends, score=nn.Linear(8, 10), box=nn.Linear(8, 4), age=nn.Linear(8, 5))
    assert found == {"logits": "classes", "box": "boxes", "age": "vector"}
