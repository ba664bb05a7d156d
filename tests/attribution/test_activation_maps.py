"""Class activation maps: each written out again in torch, on networks with everything that trips tools up."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

import convscope
from convscope.attribution.ablation_cam import losses
from convscope.attribution.finer_cam import against_similar
from convscope.attribution.map_layers import chosen_layer
from convscope.attribution.target import target_of
from convscope.attribution.target_at_layer import TargetAtLayer
from convscope.errors import InputError, UnknownLayer
from convscope.formats.pytorch.libraries import ready_torchvision
from convscope.network.network import Network
from convscope.network.tail import Tail
from planted import plain_picture, planted_network
from test_formats import WRITERS, opened
from torch_cases import branches, noise


@pytest.fixture(scope="module")
def network() -> Network:
    return convscope.open_network(branches(), input_shape=(1, 3, 24, 24))


def joined(network: Network) -> str:
    """Return the name of the concatenation."""
    (name,) = (operation.outputs[0] for operation in network.graph.operations if operation.kind == "concat")
    return name


def ablated(answers: Tensor, target: int) -> Tensor:
    """Return what the score loses without each channel, one run a channel."""
    twin, found = branches(), []
    for channel in range(answers.shape[1]):
        without = answers.clone()
        without[:, channel] = 0
        found.append(twin.tail(answers)[0, target] - twin.tail(without)[0, target])
    return torch.stack(found)[:, None, None]


def plus_plus(answers: Tensor, gradients: Tensor) -> Tensor:
    a, g = answers[0].double(), gradients[0].double()
    alpha = g**2 / (2 * g**2 + a.sum((1, 2), keepdim=True) * g**3 + 1e-6)
    weights = torch.where(g != 0, alpha * g.relu(), 0).sum((1, 2), keepdim=True)
    return (weights * a).sum(0)


def first_component(answers: Tensor) -> Tensor:
    rows = answers[0].double().flatten(1).T
    rows = rows - rows.mean(0)
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    return (rows @ vectors[:, -1]).reshape(answers.shape[2:])


RAW: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "grad_cam": lambda a, g, _: (g.mean((2, 3), keepdim=True) * a)[0].sum(0),
    "hires_cam": lambda a, g, _: (g * a)[0].sum(0),
    "xgrad_cam": lambda a, g, _: (
        (g * a).sum((2, 3), keepdim=True) / (a.sum((2, 3), keepdim=True) + 1e-7) * a
    )[0].sum(0),
    "layer_cam": lambda a, g, _: (g.relu() * a)[0].sum(0),
    "grad_cam_plus_plus": lambda a, g, _: plus_plus(a, g),
    "ablation_cam": lambda a, _, target: (ablated(a, target) * a[0]).sum(0),
    "eigen_cam": lambda a, _, __: first_component(a),
}


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("target", [1, 4])
def test_a_map_is_its_formula(name: str, target: int, network: Network) -> None:
    twin, input = branches(), noise()
    answers = twin.last(input).requires_grad_()
    (gradients,) = torch.autograd.grad(twin.tail(answers)[0, target], answers)
    expected = RAW[name](answers.detach(), gradients, target)
    found = getattr(convscope, name)(network, input, target, layer=joined(network))
    assert f" {joined(network)}" in found.how
    raw = torch.from_numpy(found.values)
    if name == "eigen_cam":  # a direction has no sign of its own
        expected = expected * torch.sign((expected * raw).sum())
    torch.testing.assert_close(raw, expected.double(), rtol=1e-5, atol=1e-6)
    shown = interpolate(raw.clamp(min=0)[None, None], (24, 24), mode="bilinear")[0, 0]
    np.testing.assert_allclose(found.map, shown.numpy(), atol=1e-9)


def test_any_layer_and_any_unit_can_be_asked_about(network: Network) -> None:
    """A unit's map at the first ReLU, whose module runs twice more behind it."""
    twin, input = branches(), noise()
    first = twin.norm(twin.first(input)).relu().requires_grad_()
    behind = torch.relu(first + twin.second(first))
    second = torch.relu(twin.wide(torch.max_pool2d(behind, 2)))[0, 3].mean()
    (gradients,) = torch.autograd.grad(second, first)
    expected = (gradients.mean((2, 3), keepdim=True) * first)[0].sum(0)
    relus = [operation.outputs[0] for operation in network.graph.operations if operation.kind == "relu"]
    found = convscope.grad_cam(network, input, f"{joined(network)}:3", layer=relus[0])
    torch.testing.assert_close(
        torch.from_numpy(found.values), expected.detach().double(), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("layer", ["second", "relu1", None])
def test_ablation_leaves_out_each_channel(layer: str | None, network: Network) -> None:
    """Where only a convolution follows, where branches do: equal to a run without each, one at a time."""
    relus = [operation.outputs[0] for operation in network.graph.operations if operation.kind == "relu"]
    name = {"second": joined(network), "relu1": relus[1], None: relus[0]}[layer]
    target = target_of(network, noise(), 2)
    whole = network.activations(target.input, name)[name]
    tail = Tail(network, target.input, name, [network.class_scores])
    expected = []
    for channel in range(whole.shape[1]):
        without = whole.clone()
        without[:, channel] = 0
        expected.append(float(target.score - tail.run(without)[network.class_scores][0, 2]))
    np.testing.assert_allclose(losses(TargetAtLayer(target, name)).numpy(), expected, atol=2e-6)
    assert np.ptp(expected) > 0.01


def test_channels_before_a_head_of_convolutions_are_left_out() -> None:
    """As in SqueezeNet: one filter a class, a ReLU and the mean; only the class that counts is computed."""
    torch.manual_seed(3)
    body = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3), torch.nn.ReLU())
    head = torch.nn.Sequential(torch.nn.Conv2d(6, 5, 1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1))
    module = torch.nn.Sequential(body, head).eval()
    network, input = convscope.open_network(module, input_shape=(1, 3, 24, 24)), noise()
    with torch.no_grad():
        answers = body(input)
        best = int(head(answers).argmax())
        each = torch.stack([answers * (torch.arange(6) != channel)[:, None, None] for channel in range(6)])
        expected = (head(answers)[0, best] - torch.stack([head(one)[0, best] for one in each]))[:, 0, 0]
    layer = next(name for name, one in network.layers.items() if one.kind == "ReLU")
    assert chosen_layer(target_of(network, input, best)) == layer
    found = losses(TargetAtLayer(target_of(network, input, best), layer))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=2e-6)
    assert np.ptp(expected.numpy()) > 0.01


def test_what_is_kept_of_one_picture_is_right_for_the_next(network: Network) -> None:
    """The way back is cut once for a layer, a target and a size: another picture, class or size has its own map."""
    for seed, target in ((0, 1), (1, 1), (1, 4), (2, 1)):
        x = torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(seed))
        twin = branches()
        answers = convscope.open_network(twin, input_shape=(1, 3, 24, 24)).activations(x, joined(network))
        answers = answers[joined(network)].clone().requires_grad_()
        (gradients,) = torch.autograd.grad(twin.tail(answers)[0, target], answers)
        expected = RAW["hires_cam"](answers, gradients, target).detach()
        found = convscope.hires_cam(network, x, target, layer=joined(network)).values
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_a_linear_tail_needs_no_runs_to_ablate() -> None:
    network, picture = planted_network(), np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    place = TargetAtLayer(target_of(network, picture, 1), "conv2")
    assert place.is_affine
    expected = [0, float(place.score - place.constant), 0]  # a color's score is made of its own channel
    np.testing.assert_allclose(losses(place).numpy(), expected, atol=1e-6)


def test_finer_cam_takes_away_the_nearest_classes(network: Network) -> None:
    input = noise()
    scores = branches()(input)[0].double()
    target = against_similar(target_of(network, input, 2), 2)
    others = sorted((index for index in range(5) if index != 2), key=lambda i: abs(scores[i] - scores[2]))[:2]
    shares = scores.softmax(0)[others]
    expected = scores[2] - (shares * scores[others]).sum() / shares.sum()
    assert target.score == pytest.approx(float(expected), abs=1e-6)
    with pytest.raises(InputError, match="at least 1; not 0"):
        convscope.finer_cam(network, input, 2, classes=0)
    with pytest.raises(InputError, match="give a class, not"):
        convscope.finer_cam(network, input, f"{joined(network)}:1")


def test_guided_grad_cam_is_lines_within_the_light(network: Network) -> None:
    lines, light = convscope.guided_backprop(network, noise(), 1), convscope.grad_cam(network, noise(), 1)
    found = convscope.guided_grad_cam(network, noise(), 1)
    np.testing.assert_allclose(found.values, lines.values * light.map[..., None], atol=1e-9)


def test_the_layer_is_chosen_and_said(network: Network) -> None:
    """The last one with positions before the weights that tell the classes apart."""
    relus = [operation.outputs[0] for operation in network.graph.operations if operation.kind == "relu"]
    found = convscope.grad_cam(network, noise(), 1)
    assert f"the channels of {relus[-1]}, each" in found.how and "every path goes through" in found.how
    same = convscope.grad_cam(network, noise(), 1, layer=relus[-1])
    assert (same.values == found.values).all() and "every path" not in same.how


def test_several_layers_are_averaged(network: Network) -> None:
    names = [joined(network), next(o.outputs[0] for o in network.graph.operations if o.kind == "relu")]
    both = convscope.layer_cam(network, noise(), 1, layer=names)
    each = [convscope.layer_cam(network, noise(), 1, layer=name).map for name in names]
    np.testing.assert_allclose(both.map, np.mean([one / one.max() for one in each], axis=0))


def test_the_map_adds_up_to_the_score_without_its_bias() -> None:
    network = planted_network()
    found = convscope.grad_cam(network, "coffee", "red")
    assert found.values.sum() == pytest.approx(found.target.score, rel=1e-5)
    assert "adds up to the score without its bias" in found.caption


def test_a_class_that_is_not_there_is_not_painted_bright() -> None:
    """Green's few pixels are shown on red's scale."""
    network, picture = planted_network(), plain_picture((1, 0, 0))
    picture = picture.copy()
    picture[4:9, 4:9] = (20, 90, 20)
    red, green = (convscope.grad_cam(network, picture, name, bare=True) for name in ("red", "green"))
    assert red.high is None and green.high == pytest.approx(red.map.max())
    assert "the peak of the map of the score of “red”" in green.caption
    assert (
        green.picture(["map"]).array[30:-40, 30:-30].max()
        < 230
        < red.picture(["map"]).array[30:-40, 30:-30].max()
    )


def test_an_empty_map_says_why(network: Network) -> None:
    planted = planted_network()
    black = convscope.grad_cam(planted, plain_picture((0, 0, 0)), "red").caption
    assert "Nothing is lit: conv2 answers 0 everywhere to this picture" in black
    dead = convscope.grad_cam(planted, plain_picture(), "conv1:7", layer="conv1@conv1").caption
    assert "does not change with what conv1@conv1 answers" in dead
    against = convscope.grad_cam(planted, plain_picture(), {"red": -1}).caption
    assert "all that conv2 answers speaks against it" in against


def test_what_cannot_be_mapped_is_said() -> None:
    network = planted_network()
    for layer, words in (
        (
            "pool2",
            r"'pool2' answers \(3, 1, 1\), without rows and columns; the last that has them is 'conv2'",
        ),
        ("scores", "without rows and columns"),
        ("conv1:3", "'conv1:3' is a unit: a class activation map is made of a whole layer, 'conv1'"),
    ):
        with pytest.raises(InputError, match=words):
            convscope.grad_cam(network, "coffee", layer=layer)
    with pytest.raises(InputError, match="'conv1' does not depend on 'conv2': choose a layer before it"):
        convscope.grad_cam(network, "coffee", "conv1:2", layer="conv2")
    with pytest.raises(UnknownLayer, match="Did you mean 'conv1'"):
        convscope.grad_cam(network, "coffee", layer="conv11")


class Short(torch.nn.Module):
    """Two convolutions that read the picture, and what only rearranges their answers behind them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(11)
        self.left, self.right = torch.nn.Conv2d(3, 5, 3, padding=1), torch.nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled = torch.max_pool2d(torch.relu(self.left(x)), 3, 2)
        return pooled, torch.cat([self.left(x), self.right(x)], 1)


def test_a_unit_behind_a_single_convolution_has_the_layer_before_it() -> None:
    """Only behind the last weights lies a layer with positions: it was said that there was none."""
    module, input = Short().eval(), noise()
    network = convscope.open_network(module, input_shape=(1, 3, 24, 24))
    pooled, both = network.graph.outputs
    answers = torch.relu(module.left(input)).detach().requires_grad_()
    unit = torch.max_pool2d(answers, 3, 2)[0, 3].mean()
    (gradients,) = torch.autograd.grad(unit, answers)
    found = convscope.grad_cam(network, input, f"{pooled}:3")
    expected = (gradients.mean((2, 3), keepdim=True) * answers)[0].sum(0).detach()
    np.testing.assert_allclose(found.values, expected.numpy(), atol=1e-6)
    assert "the last layer with positions that every path goes through" in found.how
    with pytest.raises(
        InputError, match=r"that every path goes through lies before .*: name one, as 'right', or"
    ):
        convscope.grad_cam(network, input, f"{both}:6")
    with pytest.raises(
        InputError, match="rows and columns lies between the picture and right:2: use a method for"
    ):
        convscope.grad_cam(network, input, "right:2")


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_has_the_same_map(name: str, tmp_path: Path) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (32, 32, 3), np.uint8)
    network, expected = opened(name, tmp_path), planted_network()
    for method in RAW:
        function = getattr(convscope, method)
        found, wanted = (
            function(network, picture, "green", layer="conv2"),
            function(expected, picture, "green"),
        )
        np.testing.assert_allclose(found.map, wanted.map, atol=1e-5)
        assert wanted.map.max() > 0.001 or method == "grad_cam_plus_plus"


def test_captum_and_grad_cam_find_the_same(network: Network) -> None:
    ready_torchvision()  # which a peer imports
    captum = pytest.importorskip("captum.attr", reason="compares with captum, which is not installed")
    cams = pytest.importorskip("pytorch_grad_cam", reason="compares with grad-cam, which is not installed")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    twin, input = branches().requires_grad_(), noise()
    module = torch.nn.Sequential(Last(twin), Tailed(twin))
    raw = captum.LayerGradCam(module, module[0]).attribute(input, target=3, relu_attributions=False)[0, 0]
    found = convscope.grad_cam(network, input, 3, layer=joined(network))
    torch.testing.assert_close(torch.from_numpy(found.values).float(), raw.detach(), rtol=0, atol=1e-6)
    for name, peer in (
        ("grad_cam", "GradCAM"),
        ("hires_cam", "HiResCAM"),
        ("grad_cam_plus_plus", "GradCAMPlusPlus"),
        ("xgrad_cam", "XGradCAM"),
        ("layer_cam", "LayerCAM"),
        ("ablation_cam", "AblationCAM"),
    ):
        with getattr(cams, peer)(module, [module[0]]) as cam:
            expected = cam(input, [targets.ClassifierOutputTarget(3)])[0]
        map = getattr(convscope, name)(network, input, 3, layer=joined(network)).map
        np.testing.assert_allclose((map - map.min()) / np.ptp(map), expected, atol=1e-4)


class Last(torch.nn.Module):
    def __init__(self, twin: torch.nn.Module) -> None:
        super().__init__()
        self.twin = twin

    def forward(self, x: Tensor) -> Tensor:
        return self.twin.last(x)


class Tailed(Last):
    def forward(self, x: Tensor) -> Tensor:
        return self.twin.tail(x)


class Detector(nn.Module):
    """Scores of 64 boxes from maps of 8 x 8, and of 16 from maps of 4 x 4, joined; and their corners, scaled."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.body, self.deeper = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 9, 3, 2, 1)
        self.fine, self.coarse = nn.Conv2d(6, 2, 3, padding=1), nn.Conv2d(7, 2, 3, padding=1)
        self.before, self.after = nn.Conv2d(6, 6, 1), nn.Conv2d(9, 7, 1)
        self.register_buffer("sizes", torch.rand(1, 80, 2))

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.body(x))
        return torch.relu(self.before(x)), torch.relu(self.after(torch.relu(self.deeper(x))))

    def joined(self, fine: Tensor, coarse: Tensor) -> Tensor:
        heads = (self.fine(fine), self.coarse(coarse))
        return torch.cat([one.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 2)) for one in heads], 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        boxes = self.joined(*self.maps(x))
        return boxes * self.sizes, boxes.softmax(2)


class Chained(Detector):
    """The larger map is on the way to the smaller one, and the corners are as they are."""

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = torch.relu(self.body(x))
        return fine, torch.relu(self.after(torch.relu(self.deeper(fine))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        boxes = self.joined(*self.maps(x))
        return boxes, boxes.softmax(2)


@pytest.mark.parametrize("kind", [Detector, Chained])
def test_a_detector_has_a_layer_a_branch(kind: type[Detector]) -> None:
    module = kind().eval()
    module.sizes[:] = module.sizes if kind is Detector else 1
    network = convscope.open_network(module, input_shape=(1, 3, 16, 16))
    corners, _ = (output.value for output in network.outputs)
    input = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    fine, coarse = (one.detach().requires_grad_() for one in module.maps(input))
    for box, branch, words in ((20, fine, "(8, 8)"), (70, coarse, "(4, 4)")):
        found = convscope.grad_cam(network, input, f"{corners}:{box}")
        number = (module.joined(fine, coarse) * module.sizes)[0, box].mean()
        (gradient,) = torch.autograd.grad(number, branch)
        expected = (gradient.mean((2, 3), keepdim=True) * branch).sum(1)[0]
        np.testing.assert_allclose(found.values, expected.detach().numpy(), atol=1e-6)
        assert str(found.values.shape) == words and "of the branch that it comes from" in found.how
    if kind is Chained:  # of both boxes, the larger map's gradient is that of both
        return
    both = convscope.grad_cam(network, input, {f"{corners}:20": 1, f"{corners}:70": 3})
    each = [convscope.grad_cam(network, input, f"{corners}:{box}").map for box in (20, 70)]
    np.testing.assert_allclose(both.map, np.mean([one / (one.max() or 1) for one in each], axis=0), atol=1e-6)
    assert "of each branch that it comes from, each brought to 0..1 and averaged" in both.caption
