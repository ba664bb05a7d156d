"""Relevance: the published maps of a network with a skip connection, zennit's composites, and what has to hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

import convscope
from convscope.attribution.relevance import relevance_within, start_of
from convscope.attribution.relevance_rules import COMPOSITES
from convscope.attribution.relevance_walk import walk_of
from convscope.attribution.target import target_of
from convscope.errors import InputError
from convscope.formats.pytorch.libraries import ready_torchvision
from convscope.network.graph import Graph, Operation, Parameters
from convscope.network.network import Network
from convscope.network.operations.winograd import winograd_pays
from planted import plain_picture, planted_network
from torch_cases import branches, noise


class Fashion(nn.Module):
    """The network of zennit-crp's published heat maps, as its README describes it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 16, 3, stride=2), nn.BatchNorm2d(16)
        self.parallel = nn.Sequential(nn.Conv2d(1, 16, 5, stride=2, bias=False), nn.BatchNorm2d(16))
        self.linear1, self.linear2 = nn.Linear(576, 120), nn.Linear(120, 10)

    def forward(self, x: Tensor) -> Tensor:
        main = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        joined = max_pool2d(torch.relu(main + self.parallel(x)), 2)
        return self.linear2(torch.relu(self.linear1(joined.flatten(1))))


# A condition there keeps the channels it names, of a layer with none keeps nothing, and leaves the other path alone.
CONDITIONS: list[Any] = [
    None,
    ["parallel.0"],
    ["parallel.0", "conv2:2"],
    ["conv2"],
    ["conv2:3", "conv2:2", "conv2:1"],
]


@pytest.mark.parametrize("index", range(5))
def test_the_published_maps_are_found_again(index: int, shared_data: Path) -> None:
    """They were made by zennit, which works a batch norm into its convolution and then divides by its eps again."""
    folder = shared_data / "relevance"
    module = Fashion().eval()
    module.load_state_dict(load_file(folder / "fashion.safetensors"))
    for norm in (module.bn1, module.bn2, module.parallel[1]):
        for numbers in (norm.weight, norm.bias):
            numbers.detach().div_((1 + norm.eps) ** 0.5)
    with np.load(folder / "fashion_pictures.npz") as pictures:
        picture = torch.from_numpy(pictures["val_set"][0].reshape(1, 1, 28, 28)).float() / 255
        label = int(pictures["targets"][0])
    with np.load(folder / "heatmaps.npz") as maps, np.load(folder / "conv1_relevances.npz") as layers:
        published, at_conv1 = maps["heatmaps"][index], layers["conv1_relevances"][index]
    network = convscope.open_network(module, input_shape=(1, 1, 28, 28))
    through, score = CONDITIONS[index], abs(float(module(picture)[0, label].detach()))
    found = convscope.relevance(network, picture, label, through=through)
    np.testing.assert_allclose(found.map * score, published, atol=1e-5)
    walk = walk_of(target_of(network, picture, label), COMPOSITES["epsilon_plus"], None)
    relevances = walk.back(relevance_within(walk, through) if through else start_of(walk))
    nothing = torch.zeros(1, 16, 26, 26)
    np.testing.assert_allclose(relevances.get("conv1", nothing)[0] * score, at_conv1, atol=1e-5)


@pytest.fixture(scope="module")
def network() -> Network:
    return convscope.open_network(branches(), input_shape=(1, 3, 24, 24))


def z_plus_by_hand(input: Tensor, target: int) -> Tensor:
    """EpsilonPlus of `Branches`, each layer's shares written out: weights as matrices, one row a number."""
    twin = branches()
    scale = twin.norm.weight / (twin.norm.running_var + twin.norm.eps).sqrt()
    first = nn.Conv2d(3, 8, 3, stride=2, padding=1).requires_grad_(False)
    first.weight.copy_(twin.first.weight * scale[:, None, None, None])
    first.bias.copy_((twin.first.bias - twin.norm.running_mean) * scale + twin.norm.bias)
    a = torch.relu(first(input))
    second = twin.second(a)
    b = torch.relu(a + second)
    c = max_pool2d(b, 2)
    joined = torch.cat([torch.relu(twin.wide(c)), torch.relu(twin.narrow(c))], 1)
    mixed = torch.relu(twin.mix(joined))
    mean = mixed.mean((2, 3))
    scores = twin.scores(mean)

    def stable(z: Tensor) -> Tensor:
        return z + torch.where(z < 0, -1e-6, 1e-6)

    def matrix(layer: nn.Conv2d, x: Tensor) -> Tensor:
        """Return a convolution as a matrix from the numbers it reads to those it answers."""
        eye = torch.eye(x.numel()).reshape(-1, *x.shape[1:])
        return (layer(eye) - layer(torch.zeros_like(eye))).flatten(1).T

    def plus(layer: nn.Conv2d, x: Tensor, relevance: Tensor) -> Tensor:
        terms = (matrix(layer, x) * x.flatten()).clamp(min=0)
        bias = layer.bias.clamp(min=0)[:, None].expand(-1, relevance[0, 0].numel()).flatten()
        shares = terms / stable(terms.sum(1) + bias)[:, None]
        return (relevance.flatten() @ shares).reshape(x.shape)

    relevance = twin.scores.weight[target] * mean / stable(scores[0, target])
    relevance = mixed / 36 * (relevance / stable(mean))[..., None, None]
    relevance = plus(twin.mix, joined, relevance)
    wide, narrow = relevance[:, :7], relevance[:, 7:]
    relevance = plus(twin.wide, c, wide) + plus(twin.narrow, c, narrow)
    _, places = max_pool2d(b, 2, return_indices=True)
    relevance = nn.functional.max_unpool2d(relevance, places, 2)
    shared = relevance / stable(a + second)
    relevance = a * shared + plus(twin.second, a, second * shared)
    return plus(first, input, relevance)


@pytest.mark.parametrize("target", [0, 3])
def test_relevance_is_shared_out_by_the_rules(target: int, network: Network) -> None:
    found = convscope.relevance(network, noise(), target)
    expected = z_plus_by_hand(noise(), target)[0].permute(1, 2, 0)
    np.testing.assert_allclose(found.values, expected.numpy(), atol=2e-5)
    assert np.abs(found.values).max() > 0.001


def test_what_is_laid_out_once_shares_out_the_same() -> None:
    """Maps so large that Winograd's way pays, and three hundred classes: z-plus in float64, by autograd."""
    torch.manual_seed(5)
    layers = [
        nn.Conv2d(3, 64, 3, stride=2, padding=1),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.Conv2d(128, 300, 1),
    ]
    first, second, scores = layers
    module = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), scores, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert winograd_pays(second.weight.shape, (32, 32))
    input = noise(7, 64)
    expected = []
    for target in (281, 7):
        values = [input.double()]
        for layer in layers:
            sums = nn.functional.conv2d(
                values[-1], layer.weight.double(), layer.bias.double(), layer.stride, layer.padding
            )
            values.append(sums if layer is scores else sums.relu())
        relevance, answers = torch.zeros_like(values[-1]), values[-1][:, target]
        mean = answers.mean()
        relevance[:, target] = answers / answers.numel() / (mean + mean.sign() * 1e-6)
        for layer, value in zip(reversed(layers), reversed(values[:-1]), strict=True):
            value = value.requires_grad_()
            more, less = layer.weight.double().clamp(min=0), layer.weight.double().clamp(max=0)
            window = layer.stride, layer.padding
            total = nn.functional.conv2d(value.clamp(min=0), more, layer.bias.double().clamp(min=0), *window)
            total = total + nn.functional.conv2d(value.clamp(max=0), less, None, *window)
            (slope,) = torch.autograd.grad(total, value, relevance / (total.detach() + 1e-6))
            relevance = (value * slope).detach()
        expected.append(relevance[0].permute(1, 2, 0).numpy())
    network = convscope.open_network(module.eval(), input_shape=(1, 3, 64, 64))
    for target, by_hand in zip((281, 7), expected, strict=True):
        found = convscope.relevance(network, input, f"{network.class_scores}:{target}").values
        np.testing.assert_allclose(found, by_hand, atol=1e-5 * abs(by_hand).max())


ZENNIT = {
    "epsilon_plus": "EpsilonPlus",
    "epsilon_plus_flat": "EpsilonPlusFlat",
    "epsilon_alpha2_beta1": "EpsilonAlpha2Beta1",
    "epsilon_alpha2_beta1_flat": "EpsilonAlpha2Beta1Flat",
    "epsilon_gamma_box": "EpsilonGammaBox",
}


@pytest.mark.parametrize("rule", ZENNIT)
def test_zennit_shares_out_the_same(rule: str) -> None:
    ready_torchvision()  # which the peer imports
    composites = pytest.importorskip(
        "zennit.composites", reason="compares with zennit, which is not installed"
    )
    from zennit.attribution import Gradient
    from zennit.canonizers import SequentialMergeBatchNorm

    network = convscope.open_network(plain_twin(), input_shape=(1, 3, 24, 24))
    spec = network.input_spec
    assert spec is not None
    ends = torch.stack([spec.from_rgb(torch.full((1, 3, 24, 24), level))[0] for level in (0.0, 1.0)])
    low, high = ends.amin(0, keepdim=True), ends.amax(0, keepdim=True)
    more = {"low": low, "high": high} if rule == "epsilon_gamma_box" else {}
    composite = getattr(composites, ZENNIT[rule])(canonizers=[SequentialMergeBatchNorm()], **more)
    module = plain_twin()
    with Gradient(module, composite) as attributor:
        _, expected = attributor(noise().requires_grad_(), torch.eye(5)[[2]])
    found = convscope.relevance(network, noise(), 2, rule=rule)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.values, expected[0].permute(1, 2, 0).detach().numpy(), atol=1e-5)


def plain_twin() -> nn.Module:
    torch.manual_seed(5)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, stride=2, bias=False),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 9),
        nn.ReLU(),
        nn.Linear(9, 5),
    )
    module[1].running_mean.uniform_(-0.5, 0.5)
    module[1].running_var.uniform_(0.5, 2)
    return module.eval()


def strided(folder: Path) -> Network:
    """Return a network whose first layer pads both sides alike, or one, as the picture's size is odd or even."""
    from onnx import TensorProto, helper, numpy_helper, save

    random = np.random.default_rng(5)
    shapes = {"w1": (6, 3, 3, 3), "w2": (5, 6, 3, 3)}
    weights = {key: random.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["first"], auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("Relu", ["first"], ["rectified"]),
        helper.make_node("Conv", ["rectified", "w2"], ["second"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["second"], ["means"]),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("x", [1, 3, "h", "w"]), ("means", [1, 5, 1, 1]))
    ]
    held = [numpy_helper.from_array(value, key) for key, value in weights.items()]
    graph = helper.make_graph(nodes, "strided", *ends, held)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), folder / "strided.onnx")
    return convscope.open_network(folder / "strided.onnx", input_shape=(1, 3, 15, 15))


@pytest.mark.filterwarnings("ignore::convscope.errors.InputGuess")
@pytest.mark.parametrize("rule", COMPOSITES)
def test_the_second_map_is_as_the_first_would_be(rule: Any, tmp_path: Path) -> None:
    """Filters are laid out once, for pictures of a size."""
    used = strided(tmp_path)
    for input in (noise(15, 15), noise(3, 15), noise(15, 14), noise(3, 15)):
        found = convscope.relevance(used, input, "means:2", rule=rule).values
        expected = convscope.relevance(strided(tmp_path), input, "means:2", rule=rule).values
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * abs(expected).max())


def test_without_biases_all_relevance_arrives() -> None:
    """The planted network has none on the way to red: what was 1 at the class is 1 at the picture."""
    found = convscope.relevance(planted_network(), plain_picture((0.9, 0.2, 0.1)), "red", rule="epsilon")
    assert found.values.sum() == pytest.approx(1, abs=1e-3)
    assert "1 arrives at the picture" in found.how and "conv2 1" in found.how


def test_shares_through_channels_add_up() -> None:
    network, picture = planted_network(), np.random.default_rng(4).integers(0, 256, (32, 32, 3), np.uint8)
    whole = convscope.relevance(network, picture, "green")
    parts = [convscope.relevance(network, picture, "green", through=f"conv1:{index}") for index in range(8)]
    np.testing.assert_allclose(sum(part.map for part in parts), whole.map, atol=1e-6)
    assert not parts[7].map.any()
    with pytest.raises(InputError, match="'scores' is not on the way"):
        convscope.relevance(network, picture, "conv1:2", through="scores:0")


def test_an_operation_without_a_rule_is_named() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gate = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return (1 / (2 + torch.sigmoid(self.gate(x))) - self.conv(x)).mean((2, 3))

    network = convscope.open_network(Gate().eval(), input_shape=(1, 3, 8, 8))
    with pytest.raises(InputError, match=r"no rule for relevance through '.*' .*use another method"):
        convscope.relevance(network, noise(size=8), "mean:1")
    with pytest.raises(InputError, match=r"no rule 'epsilon_plos'\. Did you mean 'epsilon_plus'"):
        convscope.relevance(network, noise(size=8), "mean:1", rule="epsilon-plos")  # type: ignore[arg-type]


HOMOGENEOUS: dict[str, Any] = {
    "subscript": lambda x: x[:, 1:4, ::2, 3],
    "list": lambda x: x[:, [2, 0, 2]],
    "flip": lambda x: x.flip(2, 3),
    "shuffle": lambda x: nn.functional.channel_shuffle(x, 2),
    "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "gather": lambda x: x.gather(1, x[:, :2].argsort(1)),
    "roll": lambda x: torch.stack(x.roll(2, 3).unbind(2), 3),
    "unfold": lambda x: nn.functional.unfold(x, 3, stride=2),
    "fold": lambda x: nn.functional.fold(nn.functional.unfold(x, 3), (7, 6), 3),
    "adaptive average": lambda x: nn.functional.adaptive_avg_pool2d(x, (3, 4)),
    "adaptive maximum": lambda x: nn.functional.adaptive_max_pool2d(x, (4, 2)),
    "maximum": lambda x: x.max(3)[0],
    "maxout": lambda x: torch.maximum(x[:, :2], 0.5 * x[:, 2:]),
    "strongest": lambda x: x.flatten(2).topk(5)[0],
    "median": lambda x: x.flatten(2).median(2)[0],
    "where": lambda x: torch.where(x > 0.3, x, 0.25 * x),
    "threshold": lambda x: nn.functional.threshold(x, 0.2, 0.0),
    "absolute": lambda x: (-x - 0.5 * (-x).flip(3)).abs(),
    "sums so far": lambda x: x.cumsum(2),
    "circular": lambda x: nn.functional.pad(x, (1, 2, 1, 0), mode="circular"),
    "cut off": lambda x: x.clamp(min=0),
    "between": lambda x: torch.lerp(x, x.flip(2), 0.3),
}


@pytest.mark.parametrize("function", HOMOGENEOUS.values(), ids=HOMOGENEOUS)
def test_what_chooses_moves_or_adds_numbers_does_so_with_their_relevance(function: Any) -> None:
    """With epsilon and no bias, relevance is the gradient times the input, by autograd: all is homogeneous."""

    class Moved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(5)
            self.first = nn.Conv2d(3, 4, 3, stride=2, bias=False)
            self.last = nn.LazyLinear(3, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(function(torch.relu(self.first(x))).flatten(1))

    module, input = Moved().eval(), noise(7, 15)[..., :13]
    best = int(module(input)[0].abs().argmax())  # at a score near 0 the epsilon shows
    leaf = input.clone().requires_grad_()
    module(leaf)[0, best].backward()
    network = convscope.open_network(module, input_shape=(1, 3, 15, 13))
    found = convscope.relevance(network, input, best, rule="epsilon").values
    expected = (leaf.grad * input)[0].movedim(0, -1) / module(input)[0, best].detach()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5)


def _step(kind: str, inputs: str, outputs: str, **attributes: Any) -> Operation:
    return Operation(
        kind, outputs.split()[0], kind, tuple(inputs.split()), tuple(outputs.split()), attributes=attributes
    )


def _strongest(x: Tensor) -> Tensor:
    return x[:, x.amax((2, 3))[0].argsort(descending=True)[:2]]


_POOLED = {"kernel": 2, "stride": 2}
_CHOICES = (
    _step("global_max_pool", "x", "largest"),
    _step("top_k", "largest", "values places", count=2, axis=1),
)
CHOOSING: dict[str, tuple[tuple[Operation, ...], Callable[[Tensor], Tensor]]] = {
    "max_pool_with_mask": (
        (_step("max_pool_with_mask", "x", "y mask", kernel=3, stride=2, padding=1),),
        lambda x: max_pool2d(x, 3, 2, 1, ceil_mode=True),
    ),
    "max_pool_with_argmax": (
        (_step("max_pool_with_argmax", "x", "y places", kernel=(3, 2), stride=2),),
        lambda x: max_pool2d(x, (3, 2), 2),
    ),
    "global_max_pool_with_mask": (
        (_step("global_max_pool_with_mask", "x", "y mask"),),
        lambda x: x.amax((2, 3), keepdim=True),
    ),
    "max_unpool": (
        (_step("max_pool_with_mask", "x", "pooled mask", **_POOLED), _step("max_unpool", "pooled mask", "y")),
        lambda x: nn.functional.max_unpool2d(*max_pool2d(x, 2, 2, return_indices=True), 2),
    ),
    "max_unpool_indices": (
        (
            _step("max_pool_with_indices", "x", "pooled places", **_POOLED),
            _step("max_unpool_indices", "pooled places", "y", **_POOLED),
        ),
        lambda x: nn.functional.max_unpool2d(*max_pool2d(x, 2, 2, return_indices=True), 2),
    ),
    "top_k": ((_step("top_k", "x", "y places", count=5),), lambda x: x.topk(5)[0]),
    "where": (
        (
            _step("relu", "x", "above"),
            _step("multiply", "x", "less", number=0.25),
            _step("where", "above x less", "y"),
        ),
        lambda x: nn.functional.leaky_relu(x, 0.25),
    ),
    "gather_in_batch": (
        (*_CHOICES, _step("gather_in_batch", "x places", "y", axis=1, batch_axes=1)),
        _strongest,
    ),
    "resize_area": (
        (_step("resize_area", "x", "y", size=(8, 4)),),
        lambda x: nn.functional.avg_pool2d(x.repeat_interleave(2, 2), (3, 3)),
    ),
}


@pytest.mark.parametrize(("steps", "function"), CHOOSING.values(), ids=CHOOSING)
def test_kinds_that_no_torch_module_has_do_as_torch_would(
    steps: tuple[Operation, ...], function: Callable[[Tensor], Tensor]
) -> None:
    """As above: relevance by epsilon is the gradient times the input, of torch's function for the same."""
    torch.manual_seed(5)
    filters, leaf = torch.randn(4, 3, 3, 3), noise(7, 14).requires_grad_()
    answers = function(nn.functional.conv2d(leaf, filters)).flatten(1)
    held = {"filters": filters, "scores": torch.randn(3, answers.shape[1])}
    scores = answers @ held["scores"].T
    best = int(scores[0].abs().argmax())
    scores[0, best].backward()
    operations = (
        Operation("convolution", "x", "Conv", ("data",), ("x",), {"weight": "filters"}),
        *steps,
        Operation("dense", "scores", "Dense", ("y",), ("scores",), {"weight": "scores"}),
    )
    parameters = Parameters({key: tuple(one.shape) for key, one in held.items()}, held.__getitem__)
    network = Network(
        Graph("kinds", {"data": (1, 3, 14, 14)}, operations, ("scores",), parameters), input_spec=None
    )
    found = convscope.relevance(network, leaf.detach(), f"scores:{best}", rule="epsilon").values
    expected = (leaf.grad * leaf.detach())[0].movedim(0, -1) / scores[0, best].detach()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-5)


FUNCTIONS: dict[str, Any] = {
    "celu": nn.functional.celu,
    "softplus": nn.functional.softplus,
    "log sigmoid": nn.functional.logsigmoid,
    "rms norm": lambda x: nn.functional.rms_norm(x, x.shape[1:]),
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "power": lambda x: x.pow(3),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_of_a_number_and_normalizations_hand_on(function: Any) -> None:
    """What their answers have, what they read has: for epsilon, the quotient of both is what goes on."""

    class Handed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(5)
            self.first = nn.Conv2d(3, 4, 3, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return function(self.first(x)).mean((2, 3))

    module, leaf = Handed().eval(), noise(7, 9).requires_grad_()
    read = module.first(leaf)
    answers = function(read)[:, 2].detach()
    share = answers / answers.sum() / (read[:, 2].detach() + 1e-6 * read[:, 2].detach().sign())
    (slope,) = torch.autograd.grad((read[:, 2] * share).sum(), leaf)
    network = convscope.open_network(module, input_shape=(1, 3, 9, 9))
    found = convscope.relevance(network, noise(7, 9), "mean:2", rule="epsilon").values
    expected = (slope * leaf)[0].detach().movedim(0, -1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * abs(expected).max())


class Gates(nn.Module):
    """Products of each kind; `frozen` are what the gates answered, where those are to stay as they are."""

    def __init__(self, form: str) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.form, self.frozen = form, list[Tensor]()
        self.first = nn.Conv2d(3, 4, 3, stride=2, bias=False)
        self.squeeze, self.excite = nn.Conv2d(4, 2, 1, bias=False), nn.Conv2d(2, 4, 1, bias=False)
        self.other, self.last = nn.Conv2d(3, 4, 3, stride=2, bias=False), nn.Linear(4, 3, bias=False)
        with torch.no_grad():
            self.excite.weight *= 30  # else the gates without a sigmoid are so near 0 that the epsilon shows

    def forward(self, x: Tensor) -> Tensor:
        a = torch.relu(self.first(x))
        return self.last(self.multiplied(x, a).mean((2, 3)))

    def multiplied(self, x: Tensor, a: Tensor) -> Tensor:
        """Return what the gate, or another value of equal standing, makes of a map."""
        low = self.excite(torch.relu(self.squeeze(a.mean((2, 3), keepdim=True))))
        a = self.other(x) if self.form in ("silu", "hard swish") else a
        gates: dict[str, Callable[[], Tensor]] = {
            "squeeze and excitation": lambda: torch.sigmoid(low),
            "without a sigmoid": lambda: low,
            "twice a sigmoid": lambda: 2 * torch.sigmoid(low).expand_as(a),
            "pooled": lambda: nn.functional.max_pool2d(torch.sigmoid(self.other(x)), 3, 1, 1),
            "silu": lambda: torch.sigmoid(a),
            "hard swish": lambda: nn.functional.relu6(a + 3) / 6,
            "linear unit": lambda: torch.sigmoid(self.other(x)),
            "upsampled": lambda: nn.functional.interpolate(
                torch.sigmoid(nn.functional.avg_pool2d(self.other(x), 2)), a.shape[2:], mode="bilinear"
            ),
            "softmax": lambda: self.other(x).flatten(2).softmax(2).reshape(a.shape),
        }
        if self.form == "linear unit" and not self.frozen:
            return nn.functional.glu(torch.cat([a, self.other(x)], 1), 1)
        if self.form == "channels last" and not self.frozen:  # ConvNeXt V2's response normalization
            moved = a.permute(0, 2, 3, 1)
            return (moved * moved.norm(dim=(1, 2), keepdim=True)).permute(0, 3, 1, 2)
        gate = self.frozen[0] if self.frozen else gates[self.form]()
        return gate * a if self.form == "silu" else a * gate


FORMS = [
    "pooled",
    "squeeze and excitation",
    "without a sigmoid",
    "twice a sigmoid",
    "silu",
    "hard swish",
    "softmax",
    "upsampled",
    "linear unit",
    "channels last",
]


@pytest.mark.parametrize("form", FORMS)
def test_a_signal_takes_all_and_its_gate_nothing(form: str) -> None:
    """With epsilon and no bias: the gradient times the input of the network with its gates frozen, by autograd."""
    module, input = Gates(form).eval(), noise(7, 15)[..., :13]
    with torch.no_grad():
        a, product = (
            torch.relu(module.first(input)),
            module.multiplied(input, torch.relu(module.first(input))),
        )
        signal = module.other(input) if form in ("silu", "hard swish") else a
    frozen = Gates(form).eval()
    frozen.frozen = [torch.where(signal == 0, 0.0, product / signal)]
    leaf = input.clone().requires_grad_()
    score = frozen(leaf)[0, 2]
    score.backward()
    network = convscope.open_network(module, input_shape=(1, 3, 15, 13))
    found = convscope.relevance(network, input, 2, rule="epsilon")
    expected = (leaf.grad * input)[0].movedim(0, -1) / score.detach()
    np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert found.values.sum() == pytest.approx(1, abs=1e-3)
    assert "In 1 product a gate gets nothing." in found.how


def test_factors_of_equal_standing_get_equal_parts() -> None:
    """Half of the relevance of a product is that of the network in which the other factor is frozen."""

    class Product(nn.Module):
        def __init__(self, frozen: int | None = None, at: Tensor | None = None) -> None:
            super().__init__()
            torch.manual_seed(6)
            self.one, self.other = nn.Conv2d(3, 4, 3, bias=False), nn.Conv2d(3, 4, 3, bias=False)
            self.frozen, self.at = frozen, at

        def forward(self, x: Tensor) -> Tensor:
            factors = [
                layer(x if self.at is None or self.frozen != index else self.at)
                for index, layer in enumerate((self.one, self.other))
            ]
            return (factors[0] * factors[1]).mean((2, 3))

    input = noise(3, 9)
    network = convscope.open_network(Product().eval(), input_shape=(1, 3, 9, 9))
    found = convscope.relevance(network, input, "mean:1", rule="epsilon")
    halves = []
    for frozen in (0, 1):
        leaf = input.clone().requires_grad_()
        score = Product(frozen, input)(leaf)[0, 1]
        score.backward()
        halves.append((leaf.grad * input)[0].movedim(0, -1) / score.detach())
    np.testing.assert_allclose(found.values, (halves[0] + halves[1]) / 2, rtol=1e-3, atol=1e-4)
    assert "In 1 product the factors get equal parts." in found.how
