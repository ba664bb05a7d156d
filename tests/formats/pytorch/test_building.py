"""Traced modules against themselves: every module's value against a hook that copies, and gradients in float64."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from convscope.errors import ConvscopeWarning, InputError, UnsupportedLayer
from convscope.formats.opening import open_network
from convscope.formats.pytorch.building import build_graph
from convscope.network.network import Network
from module_hooks import seen_by_hooks


class Traced(nn.Module):
    """A module whose forward() is a function of its parts, so that a test shows what it is about."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.forward = lambda x: forward(self, x)  # type: ignore[assignment]


def conv(inputs: int = 3, outputs: int = 4, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)


def opened(module: nn.Module, *shape: int) -> Network:
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return open_network(module, input_shape=shape or (1, 3, 8, 8))


def random_input(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape or (1, 3, 8, 8), generator=torch.Generator().manual_seed(seed))


def assert_as_torch(module: nn.Module, *shapes: tuple[int, ...]) -> Network:
    """Every module's value and the output, at the size it was opened for and at others."""
    network = opened(module, *(shapes[0] if shapes else ()))
    for shape in shapes or ((1, 3, 8, 8), (3, 3, 12, 10)):
        x = random_input(*shape)
        expected, output = seen_by_hooks(module.eval(), x)
        found = network.activations(x, *expected, *network.graph.outputs)
        for name, value in expected.items():
            torch.testing.assert_close(
                found[name], value, rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
            )
        if isinstance(output, Tensor):
            torch.testing.assert_close(found[network.graph.outputs[0]], output, rtol=1e-5, atol=1e-5)
    return network


@pytest.mark.parametrize(
    ("forward", "parts"),
    [
        (lambda m, x: m.relu(m.conv(x)), {"relu": nn.ReLU(inplace=True)}),
        (lambda m, x: F.relu(m.conv(x), inplace=True), {}),
        (lambda m, x: m.conv(x).relu_(), {}),
        (lambda m, x: torch.relu_(m.conv(x)), {}),
        (lambda m, x: F.relu(m.conv(x)), {}),
        (lambda m, x: m.conv(x).clamp_(min=0), {}),
        (lambda m, x: m.conv(x).view(x.shape[0], -1).relu_().view(x.shape[0], 4, *x.shape[2:]), {}),
    ],
)
def test_in_place_and_functional_relus_have_the_values_and_gradients_of_clean_ones(
    forward: Callable[..., Any], parts: dict[str, Any]
) -> None:
    """The silent trap of hooks: a convolution's stored value is written over, and its gradient is wrong."""
    network = opened(Traced(forward, conv=conv(), **parts).double())
    clean = nn.Sequential(conv(), nn.ReLU()).double()
    clean[0].load_state_dict(
        {"weight": network.parameters["conv.weight"], "bias": network.parameters["conv.bias"]}
    )
    x = random_input().double()
    found = network.activations(x, "conv", *network.graph.outputs)
    torch.testing.assert_close(found["conv"], clean[0](x))
    assert float(found["conv"].min()) < 0
    torch.testing.assert_close(found[network.graph.outputs[0]], clean(x))
    for address, target in (("conv", clean[0]), (network.graph.outputs[0], clean)):
        wanted = x.clone().requires_grad_()
        target(wanted).sum().backward()
        torch.testing.assert_close(network.gradient(x, address), wanted.grad)


def test_a_module_that_runs_twice_has_an_address_for_each_call() -> None:
    relu = nn.ReLU(inplace=True)
    module = Traced(
        lambda m, x: m.relu(m.second(m.relu(m.first(x)))), first=conv(), second=conv(4, 4), relu=relu
    )
    network = assert_as_torch(module)
    assert list(network.layers) == ["x", "first", "relu#1", "second", "relu#2"]
    assert network.resolve("relu").layer == "relu#2"
    assert str(network.resolve("relu#1:3")) == "relu#1:3"


class CalledAsItsInput(nn.Module):
    """Its first layer has the name of its input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.x, self.y = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.y(x) - 2 * self.x(self.x(x)) + x
        return result


def test_a_module_called_as_the_input_is_not_taken_for_it() -> None:
    """What read the input behind that module read its answer: another network's numbers."""
    module = CalledAsItsInput().eval()
    network = open_network(module, input_shape=(1, 3, 9, 7))
    assert {"x", "y", "x#1", "x#2"} <= {*network.layers}
    input = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(2))
    (output,) = network.graph.outputs
    torch.testing.assert_close(network.activations(input, output)[output], module(input))
    torch.testing.assert_close(network.activations(input, "x#1")["x#1"], module.x(input))


def written_into_a_part(m: Any, x: Tensor) -> Tensor:
    y = m.conv(x)
    y[:, 0] = 0
    y[:, 1] += y[:, 2]
    part = y[:, 1:3]
    part.mul_(2)
    y.add_(1)
    return m.last(part + y[:, 2:])


def seen_through_a_view(m: Any, x: Tensor) -> Tensor:
    y = m.conv(x)
    flat = y.flatten(2)
    y.sub_(0.1)
    z = flat.transpose(1, 2)
    y.mul_(3)
    return m.last((z + flat.transpose(1, 2)).transpose(1, 2)[:, :2].unflatten(2, x.shape[2:]))


def halves_written(m: Any, x: Tensor) -> Tensor:
    y = m.conv(x)
    first, second = y[:, :2], y[:, 2:]
    first.sub_(1).mul_(2)
    second -= 1
    return m.last(first * second + y[:, 1:3])


def into_a_buffer_of_zeros(m: Any, x: Tensor) -> Tensor:
    y = m.conv(x)
    out = torch.zeros(2, y.shape[0], 2, *y.shape[2:], dtype=y.dtype)
    out[0] = y[:, :2]
    out[1] = y[:, 2:]
    return m.last(out.sum(0))


@pytest.mark.parametrize(
    "forward", [written_into_a_part, seen_through_a_view, halves_written, into_a_buffer_of_zeros]
)
def test_what_is_written_in_place_is_seen_through_every_view(forward: Callable[..., Any]) -> None:
    module = Traced(forward, conv=conv(), last=conv(2, 3)).double()
    network = opened(module)
    for shape in ((1, 3, 8, 8), (3, 3, 6, 10)):
        x = random_input(*shape).double()
        wanted = x.clone().requires_grad_()
        expected = module(wanted)
        expected.sum().backward()
        torch.testing.assert_close(network.activations(x, "last")["last"], expected.detach())
        torch.testing.assert_close(network.gradient(x, "last"), wanted.grad)


def deciding(m: Any, x: Tensor) -> Tensor:
    for part in m.parts:
        if part.out_channels == 4 and x.dim() == 4:
            x = F.gelu(part(x))
    return x if x.shape[1] > 3 else -x


def attending(m: Any, x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    tokens = x.flatten(2).transpose(1, 2)
    tokens = torch.cat([m.token.expand(batch, -1, -1), tokens], dim=1)
    mixed, _ = m.attention(tokens, tokens, tokens, need_weights=False)
    return m.norm(mixed)[:, 1:].reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def test_published_building_blocks() -> None:
    """Each line is how some published network is written."""
    token = nn.Parameter(torch.randn(1, 1, 4))
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    modules: list[nn.Module] = [
        nn.Sequential(
            conv(), nn.BatchNorm2d(4), nn.ReLU6(inplace=True), nn.Sequential(nn.Dropout(), nn.Identity())
        ),
        Traced(deciding, parts=nn.ModuleList([conv(), conv(4, 4)])),
        Traced(lambda m, x: m.c(x) + F.avg_pool2d(x, 3, 1, 1).mean(1, keepdim=True), c=conv()),
        Traced(lambda m, x: torch.cat([m.a(x), m.b(x)], 1)[:, ::2], a=conv(), b=conv()),
        Traced(lambda m, x: torch.stack(m.c(x).split([1, 3], 1)[1].unbind(1), 1), c=conv()),
        Traced(lambda m, x: m.c(x) * torch.sigmoid(m.c(x).mean((2, 3), keepdim=True)), c=conv()),
        Traced(
            lambda m, x: F.interpolate(m.c(x), scale_factor=2, mode="bilinear", align_corners=False), c=conv()
        ),
        Traced(lambda m, x: F.interpolate(m.c(x[..., ::2, ::2]), size=x.shape[-2:]), c=conv()),
        Traced(lambda m, x: F.softmax(F.normalize(m.c(x)), 1), c=conv()),
        Traced(lambda m, x: m.c(F.pad(x, (1, 0, 2, 1), mode="reflect")), c=conv(padding_mode="circular")),
        Traced(lambda m, x: 1 - m.c(2 * x - 0.5) / 3, c=conv()),
        Traced(
            lambda m, x: m.c(x).view(x.size(0), 2, 2, x.size(2), x.size(3)).transpose(1, 2).flatten(1, 2),
            c=conv(),
        ),
        nn.Sequential(
            conv(), nn.MaxPool2d(3, 2, 1), nn.GroupNorm(2, 4), nn.PReLU(4), nn.ConvTranspose2d(4, 3, 4, 2, 1)
        ),
        nn.Sequential(
            conv(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.InstanceNorm2d(4, affine=True), nn.Hardswish()
        ),
        nn.Sequential(conv(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 5), nn.LogSoftmax(1)),
        nn.Sequential(
            conv(), nn.LocalResponseNorm(3), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.LayerNorm(4)
        ),
        nn.Sequential(conv(), nn.LocalResponseNorm(4), nn.PixelShuffle(2), nn.ELU(inplace=True)),
    ]
    for module in modules:
        assert_as_torch(module)
    attending_module = Traced(attending, token=token, attention=attention, norm=nn.LayerNorm(4))
    assert_as_torch(attending_module, (1, 4, 5, 3), (2, 4, 5, 3), (2, 4, 6, 6))


def test_names_are_dotted_paths_and_functions_stand_in_their_module() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(conv(4, 4), nn.ReLU())

        def forward(self, x: Tensor) -> Tensor:
            return x + self.body(x) + 1

    network = assert_as_torch(nn.Sequential(conv(), Block(), Block()))
    second = ["1.body.0", "1.body.1", "1.add", "1.add_1"]
    assert list(network.layers)[:6] == ["input", "0", *second]
    assert network.layers["1.body.0"].kind == "Conv2d"
    assert network.layers["1.add"].kind == "add"
    assert network.resolve("1").layer == "1.add_1"
    assert network.resolve("1.body").layer == "1.body.1"


class Both(NamedTuple):
    score: Tensor
    maps: Tensor


@dataclass
class Answer:
    score: Tensor
    maps: Tensor


@pytest.mark.parametrize(
    "wrap",
    [lambda *x: x, Both, Answer, lambda s, m: {"score": s, "more": [m]}],
    ids=["tuple", "named tuple", "data class", "dictionary"],
)
def test_several_outputs(wrap: Callable[..., Any]) -> None:
    module = Traced(lambda m, x: wrap(m.conv(x).mean((2, 3)), m.conv(x)), conv=conv())
    network = opened(module)
    assert network.graph.outputs == ("mean", "conv#2")


def test_several_inputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = conv(), nn.Linear(5, 4)

        def forward(self, picture: Tensor, vector: Tensor, unused: Tensor | None = None) -> Tensor:
            return self.conv(picture) + self.linear(vector)[..., None, None]

    module = Two()
    with pytest.raises(InputError, match="takes 2 inputs; give the shape of each"):
        open_network(module)
    network = open_network(module, input_shape={"picture": (1, 3, 8, 8), "vector": (1, 5)})
    given = {"picture": random_input(2, 3, 8, 8), "vector": random_input(2, 5)}
    with torch.no_grad():
        torch.testing.assert_close(network.activations(given, "add")["add"], module(**given))
    assert network.input_spec is None


@pytest.mark.parametrize(
    "move",
    [
        Tensor.cpu,
        lambda x: x.to("cpu"),
        lambda x: x.to(x.device, torch.float32),
        lambda x: x.to(device="cpu", copy=True),
    ],
)
def test_a_tensor_that_is_told_where_to_be_stays(move: Callable[[Tensor], Tensor]) -> None:
    assert_as_torch(Traced(lambda self, x: self.other(move(self.one(x)).relu()), one=conv(), other=conv(4)))


def test_hooks_that_look_are_left_where_they_are_and_those_that_change_count() -> None:
    """What most notebooks have on their module: numbers that are kept, as other libraries keep them too."""
    module, kept = nn.Sequential(conv(), nn.ReLU(), conv(4)), []
    hooks = [
        module[0].register_forward_hook(
            lambda part, given, result: kept.append(result.detach().cpu().numpy())
        ),
        module[1].register_forward_hook(lambda part, given, result: kept.append(float(result.mean()))),
        module[1].register_forward_hook(lambda part, given, result: 2 * result),
        module[2].register_forward_pre_hook(lambda part, given: kept.append(given[0].tolist())),
    ]
    with pytest.warns(ConvscopeWarning) as warned:
        network = open_network(module, input_shape=(1, 3, 8, 8))
    said = {str(one.message).partition(" of the module ")[2] for one in warned}
    asks = "asks for numbers, and is taken for one that only looks: what it would change is left out"
    assert said >= {f"{path!r} {asks}" for path in "012"}
    x, before = random_input(), len(kept)
    assert network.graph.outputs == ("2",)
    torch.testing.assert_close(network.activations(x, "2")["2"], module(x).detach())
    assert len(kept) == before + 3  # all are still there, and ran
    for hook in hooks:
        hook.remove()
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module)


def test_the_module_is_as_before() -> None:
    module = nn.Sequential(conv(), nn.BatchNorm2d(4), nn.Dropout(), nn.ReLU(inplace=True))
    module[2].eval()
    module[0].weight.requires_grad_(False)
    calls = []
    module[0].register_forward_hook(lambda *_: calls.append(1))
    before = {name: (tensor.clone(), tensor._version) for name, tensor in module.state_dict().items()}
    hooks = torch.nn.modules.module._global_forward_hooks.copy()
    network = open_network(module, input_shape=(1, 3, 8, 8))
    network.gradient(random_input(), "3")
    assert [part.training for part in module] == [True, True, False, True]
    assert [parameter.requires_grad for parameter in module.parameters()] == [False, True, True, True]
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(tensor, before[name][0]) for name, tensor in module.state_dict().items())
    assert torch.nn.modules.module._global_forward_hooks == hooks
    assert len(module[0]._forward_hooks) == 1
    graph = build_graph(module, {"input": (1, 3, 8, 8)}, "shared")
    assert graph.parameters["0.weight"].data_ptr() == module[0].weight.data_ptr()


def test_dropout_is_off_and_statistics_are_the_trained_ones_whatever_mode_the_module_is_in() -> None:
    module = nn.Sequential(conv(), nn.BatchNorm2d(4), nn.Dropout())
    module(random_input(4, 3, 8, 8))
    network = open_network(module.train(), input_shape=(1, 3, 8, 8))
    x = random_input()
    torch.testing.assert_close(
        network.activations(x, "1")["1"], module.eval()(x).detach(), rtol=1e-5, atol=1e-5
    )


def test_what_is_asked_for_ends_the_run() -> None:
    module = nn.Sequential(conv(), nn.ReLU(), conv(4, 4), nn.Flatten(), nn.Linear(256, 3))
    network = opened(module)
    wide = random_input(1, 3, 40, 40)  # the linear layer does not take that
    assert network.activations(wide, "2")["2"].shape == (1, 4, 40, 40)
    with pytest.raises(InputError, match="layer '4'"):
        network.activations(wide, "4")


def test_everything_saves_and_opens_as_plain_data(tmp_path: Any) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = m.conv(x)
        y[:, 0] = 0
        index = torch.tensor([0, 2, 1, 3])
        return F.layer_norm(y[:, index].view(x.shape[0], 2, -1), (y.shape[2] * y.shape[3] * 2,))

    module = Traced(forward, conv=conv())
    network = opened(module)
    again = open_network(network.save(tmp_path / "saved.convscope"))
    x = random_input(2, 3, 8, 8)
    for name in network.layers:
        torch.testing.assert_close(again.activations(x, name)[name], network.activations(x, name)[name])


def test_a_module_that_decides_by_numbers_is_refused() -> None:
    module = Traced(lambda m, x: m.conv(x) if x.sum() > 0 else x, conv=conv())
    with pytest.raises(UnsupportedLayer, match="decides by the numbers it is given"):
        open_network(module, input_shape=(1, 3, 8, 8))


def test_a_module_that_loops_over_a_size_takes_only_its_own() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.conv(sum(x[:, :, row : row + 1] for row in range(x.shape[2])))

    network = opened(Traced(forward, conv=conv()))
    assert network.activations(random_input(3, 3, 8, 8), "conv")["conv"].shape == (3, 4, 1, 8)
    with pytest.raises(
        InputError, match="opened for 3x8x8 and is another one for 3x8x9: open it for that size"
    ):
        network.activations(random_input(1, 3, 8, 9), "conv")


def test_padding_worked_out_from_the_size_is_followed() -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        down, right = ((math.ceil(size / 2) - 1) * 2 + 3 - size for size in (height, width))
        return m.conv(F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2)))

    assert_as_torch(Traced(forward, conv=nn.Conv2d(3, 4, 3, 2)), (1, 3, 8, 8), (2, 3, 9, 12), (1, 3, 13, 7))


def test_an_input_that_does_not_fit_is_told_by_module() -> None:
    module = nn.Sequential(conv(), nn.Flatten(), nn.Linear(10, 2))
    with pytest.raises(InputError, match="Sequential does not take input 1x3x8x8: its module '2' says"):
        open_network(module, input_shape=(1, 3, 8, 8))


def test_the_input_size_is_found_by_trying() -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 12 * 12, 10))
    network = open_network(module)
    assert dict(network.graph.inputs) == {"input": (1, 1, 28, 28)}
    assert network.input_spec is not None
    assert network.input_spec.channel_order == "GRAY"


class Rows(nn.Module):
    """Reads how many pictures there are by Python's `len`, by `int`, in a text, or by going through them."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.conv, self.dense = how, nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "loop":
            return torch.stack([self.dense(self.conv(one[None]).mean((2, 3)))[0] for one in x])
        count = len(x) if self.how == "len" else int(x.shape[0] if self.how == "int" else str(x.shape[0]))
        return self.dense(self.conv(x).permute(0, 2, 3, 1).reshape(count, -1, 4).softmax(1).amax(1))


@pytest.mark.parametrize("how", ["len", "int"])
def test_the_length_of_a_batch_is_its_size(how: str) -> None:
    module, pictures = Rows(how).eval(), torch.randn(3, 3, 8, 9)
    network = open_network(module, input_shape=(1, 3, 8, 9))
    output = network.outputs[0].value
    answers = network.activations(pictures, output)[output]
    assert torch.allclose(answers, module(pictures), atol=1e-5)
    assert len(torch.zeros(2)) == 2 and len("ab") == 2


@pytest.mark.parametrize("how", ["text", "loop"])
def test_pictures_go_one_at_a_time_through_code_that_fixes_their_number(how: str) -> None:
    module, pictures = Rows(how).eval(), torch.randn(3, 3, 8, 9)
    network = open_network(module, input_shape=(1, 3, 8, 9))
    output = network.outputs[0].value
    for count in (1, 3):
        answers = network.activations(pictures[:count], output)[output]
        assert torch.allclose(answers, module(pictures[:count]), atol=1e-5)
    network = open_network(module, input_shape=(2, 3, 8, 9))
    with pytest.raises(
        InputError, match=r"opened for 2 at a time, and its code fixes that: found 3\. Give it 2"
    ):
        network.activations(pictures, output)
