"""What live modules do that a trace has to follow: tables, names, wrappers, recurrent layers."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from convscope.errors import ConvscopeWarning, InputError, UnsupportedLayer
from convscope.formats.opening import open_network

SHAPE = (1, 3, 7, 9)


def assert_answers_alike(module: nn.Module) -> None:
    """Every output of the network is the module's, for a picture of the shape it was opened for and for two."""
    module = module.eval()
    network = open_network(module, input_shape=SHAPE)
    for count in (1, 2):
        x = torch.randn(count, *SHAPE[1:], generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            result = module(x)
        results = [result] if isinstance(result, Tensor) else list(result)
        answers = network.activations(x, *network.graph.outputs)
        for name, expected in zip(network.graph.outputs, results, strict=True):
            torch.testing.assert_close(answers[name], expected.to(answers[name].dtype), rtol=1e-5, atol=1e-6)


class Tables(nn.Module):
    """Looks into a parameter, a buffer and a constant with indices that depend on the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.arange(10.0) * 101)
        self.register_buffer("palette", torch.rand(5, 3, generator=torch.Generator().manual_seed(3)))
        self.classes = nn.Conv2d(3, 5, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        order = x.flatten(1).argsort(1)[:, :6].remainder(10)
        found = self.classes(x).argmax(1)
        return self.table[order], self.palette[found], torch.tensor([3.5, 1.5, -2.5, 8.5, 0.5])[found]


class Positions(nn.Module):
    """Adds position codes made beside its input, as DETR's are."""

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        across = torch.arange(width, device=x.device) / (width - 1)
        down = torch.ones(batch, height, width, device=x.device, dtype=torch.bool).cumsum(
            1, dtype=torch.float32
        )
        steps = torch.arange(4, dtype=torch.float32, device=x.device)
        codes = down[..., None] / 10000 ** (2 * torch.div(steps, 2, rounding_mode="floor") / 4)
        return x.mean(1, keepdim=True) * across + codes.sin().permute(0, 3, 1, 2)


class Recurrent(nn.Module):
    """Reads the columns of a feature map as a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, stride=2)
        self.lstm = nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.gru, self.cell, self.rnn = nn.GRU(12, 5, batch_first=True), nn.GRUCell(5, 3), nn.RNN(3, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        sequence, _ = self.lstm(self.features(x).flatten(2).transpose(1, 2))
        sequence, last = self.gru(sequence)
        hidden = self.cell(sequence[:, -1], torch.zeros(x.shape[0], 3))
        spoken, _ = self.rnn(hidden[None])
        return sequence, last, hidden, spoken


class Splits(nn.Module):
    """Calls what torch has no core operator for."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        halves = torch.unsafe_chunk(x.flatten(1), 2, 1)
        return (
            halves[1],
            x.flatten(1).topk(3)[0],
            x.flatten(1).sort(descending=True)[0],
            x.logsumexp((2, 3)),
        )


class Spreads(nn.Module):
    """Axes as plain numbers, which ATen's own `var` and `std` take for a yes; bits; slopes; sizes at half pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        h = h - h.std(1, False)[:, None] / (1 + torch.var(h, 2)[:, :, None])
        h = h * h.var(3, keepdim=True) + h / (1 + torch.std_mean(h, 1)[0][:, None])
        h = nn.functional.rrelu(h, 0.2, 0.6)
        bits = ((h * 10).int() << 1) ^ 5
        return nn.functional.interpolate(h + (bits >> 1), scale_factor=1.7, mode="nearest-exact")


@pytest.mark.parametrize("kind", [Tables, Positions, Recurrent, Splits, Spreads])
def test_a_trace_gives_the_modules_own_answers(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    assert_answers_alike(kind())


class Rounded(nn.Module):
    """Rounds what its gradient passes straight through, and weighs by what no gradient goes through."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        h = h + (torch.round(h * 4) / 4 - h).detach()
        return h * (h * 2).detach().sigmoid() + h.data.mean(1, keepdim=True) * h


def test_no_gradient_goes_back_through_what_is_detached() -> None:
    torch.manual_seed(0)
    assert_answers_alike(module := Rounded())
    network = open_network(module, input_shape=SHAPE)
    x = torch.randn(1, *SHAPE[1:], generator=torch.Generator().manual_seed(4)).requires_grad_()
    (expected,) = torch.autograd.grad(module(x).sum(), x)
    (output,) = network.graph.outputs
    torch.testing.assert_close(network.gradient(x.detach(), output), expected, rtol=1e-4, atol=1e-5)


def test_parameters_without_numbers_are_called_so() -> None:
    with pytest.raises(InputError, match=r"without numbers, on the meta device \('conv.weight' and 1 more\)"):
        open_network(Rounded().to("meta"), input_shape=SHAPE)


class Stages(nn.ModuleDict):
    """Gives some of its stages in a dictionary whose keys are other stages' names, as torchvision's FPN bodies do."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = OrderedDict()
        for name, stage in self.items():
            x = stage(x)
            if name in "13":
                found[str(len(found))] = x
        return found


class Body(nn.Module):
    """Keeps its stages in a module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Stages({str(number): nn.Conv2d(3, 3, 3, padding=1) for number in range(4)})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.body(x)
        return found


def test_a_modules_name_is_the_modules_whatever_a_result_is_called() -> None:
    torch.manual_seed(0)
    module = Body()
    network = open_network(module, input_shape=SHAPE)
    x = torch.randn(SHAPE)
    expected = module.body["0"](x)
    torch.testing.assert_close(network.activations(x, "body.0")["body.0"], expected)
    torch.testing.assert_close(network.activations(x, "body.results.0")["body.results.0"], module(x)["0"])


def test_what_wraps_a_module_is_taken_off() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    x = torch.randn(SHAPE)
    wrapped = [torch.compile(module), nn.DataParallel(module), AveragedModel(module)]
    for outside in (*wrapped, nn.DataParallel(torch.compile(module))):  # none of them is run
        network = open_network(outside, input_shape=SHAPE)
        assert list(network.layers) == ["input", "0", "1"]
        torch.testing.assert_close(network.activations(x, "1")["1"], module(x).detach())


class Compiled(nn.Module):
    """Has torch compile its forward(), a part of it, and a function it calls."""

    def __init__(self) -> None:
        super().__init__()
        self.part = torch.compile(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), backend="eager")
        self.last = nn.Conv2d(4, 2, 1)
        self.last.compile(backend="eager")

    @torch.compile(backend="eager")
    def forward(self, x: Tensor) -> Tensor:
        return _by_height(self.last(self.part(x)))


@torch.compile(backend="eager")
def _by_height(x: Tensor) -> Tensor:
    return x.tanh() * x.shape[2]


def test_what_torch_compiles_inside_a_module_is_followed(capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    module = Compiled().eval()
    network = open_network(module, input_shape=SHAPE)
    assert "dynamo" not in capfd.readouterr().err  # torch's compiler has not complained
    for size in (SHAPE, (2, 3, 12, 5)):
        x = torch.randn(size, generator=torch.Generator().manual_seed(size[2]))
        (name,) = network.graph.outputs
        torch.testing.assert_close(network.activations(x, name)[name], module(x).detach())


@pytest.mark.parametrize("shape", [SHAPE, None])
def test_a_lazy_module_is_to_be_run_once(shape: tuple[int, ...] | None) -> None:
    with pytest.raises(
        InputError, match=r"'0.weight' and 1 more\): run it once first, as in module\(torch.zeros\(1, 3"
    ):
        open_network(nn.Sequential(nn.LazyConv2d(4, 3)), input_shape=shape)


class Detector(nn.Module):
    """Has two heads on a body, and picks what is above a threshold, which no graph can say."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, stride=2), nn.ReLU()
        )
        self.scores, self.boxes = nn.Conv2d(6, 2, 1), nn.Conv2d(6, 4, 1)
        self.second = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x)
        scores, boxes = self.scores(features), self.boxes(features)
        found = boxes.permute(0, 2, 3, 1)[scores.amax(1) > 0.1]
        picked: Tensor = self.second(found[torch.nonzero(found[:, 0] > 0)[:, 0]])
        return picked


def test_a_detector_opens_up_to_where_it_picks_boxes() -> None:
    torch.manual_seed(0)
    module = Detector().eval()
    with pytest.warns(
        ConvscopeWarning, match=r"on what a mask picks, .* 'forward' is cut off, and so 'second' is behind"
    ):
        network = open_network(module, input_shape=SHAPE)
    assert network.graph.outputs == ("scores", "boxes") and set(network.graph.cut) == {"forward", "second"}
    assert all(output.cut for output in network.outputs)
    x = torch.randn(2, *SHAPE[1:])
    features = module.body(x)
    answers = network.activations(x, "body.3", "scores", "boxes")
    expected = [features, module.scores(features), module.boxes(features)]
    torch.testing.assert_close(
        list(answers.values()), [each.detach() for each in expected], rtol=1e-5, atol=1e-6
    )
    with pytest.raises(UnsupportedLayer, match=r"'second' .Linear. is cut off, because it needs 'forward'"):
        network.activations(x, "second")


class Undecided(nn.Module):
    """Decides before any layer."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_without_any_layer_there_is_no_network() -> None:
    with pytest.raises(UnsupportedLayer, match="decides by the numbers it is given"):
        open_network(Undecided(), input_shape=SHAPE)


@pytest.mark.filterwarnings("ignore")
def test_quantized_modules_are_called_so() -> None:
    float_ones = nn.Sequential(
        torch.ao.quantization.QuantStub(), nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    assert "1" in open_network(float_ones, input_shape=(1, 3, 3, 3)).layers
    dynamic = torch.ao.quantization.quantize_dynamic(float_ones, {nn.Linear})
    with pytest.raises(
        UnsupportedLayer, match=r"is quantized \('3' is torch's .*Linear\): open the network that it was"
    ):
        open_network(dynamic, input_shape=(1, 3, 3, 3))
    float_ones.qconfig = torch.ao.quantization.default_qconfig
    with pytest.raises(
        UnsupportedLayer, match=r"prepared for quantization \('0.activation_post_process' is a"
    ):
        open_network(torch.ao.quantization.prepare(float_ones), input_shape=(1, 3, 3, 3))


class ThroughNumpy(nn.Module):
    """Leaves torch half way, or packs a sequence by lengths: neither can be written down."""

    def __init__(self, *, packs: bool) -> None:
        super().__init__()
        self.conv, self.lstm, self.packs = nn.Conv2d(3, 8, 3), nn.LSTM(8, 4, batch_first=True), packs

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        if not self.packs:
            return torch.from_numpy(x.detach().numpy() * 2)
        rows = x.flatten(2).transpose(1, 2)
        packed = nn.utils.rnn.pack_padded_sequence(rows, [rows.shape[1]] * len(rows), batch_first=True)
        return nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]


@pytest.mark.parametrize("packs", [False, True])
def test_what_leaves_torch_is_cut_and_what_comes_before_is_there(packs: bool) -> None:
    module = ThroughNumpy(packs=packs).eval()
    with pytest.warns(ConvscopeWarning, match="decides by the numbers it is given.* is cut off"):
        network = open_network(module, input_shape=(1, 3, 8, 8))
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(network.activations(x, "conv")["conv"], module.conv(x).detach())


class Scaled(nn.Module):
    """Attention divides by a square root, and many write NumPy's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.scale = np.sqrt(np.float32(7))

    def forward(self, x: Tensor) -> Tensor:
        wide: Tensor = self.conv(x) / np.sqrt(self.conv.out_channels)
        return wide * np.float64(1.3) + self.scale


def test_numbers_of_numpy_are_numbers() -> None:
    assert_answers_alike(Scaled())


class HalfScripted(nn.Module):
    """Python around parts whose code is TorchScript: one from source, with a choice inside, and one traced."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem = torch.jit.script(
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        )
        self.body = torch.jit.trace(nn.Conv2d(4, 4, 1).eval(), torch.zeros(1, 4, 5, 7), check_trace=False)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        features = self.stem(x)
        features = features + self.body(features).tanh()
        return self.head(features.mean((2, 3)))


def test_a_module_with_parts_of_torchscript() -> None:
    module = HalfScripted()
    assert_answers_alike(module)
    names = set(open_network(module, input_shape=SHAPE).layers)
    assert {"stem", "body", "head"} <= names


def test_a_part_of_torchscript_that_fails_leaves_torch_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), torch.jit.script(nn.Linear(99, 2)))
    with pytest.raises(InputError, match="its module '1' says"):
        open_network(module, input_shape=SHAPE)
    assert torch.utils._python_dispatch._len_torch_dispatch_stack() == 0
    assert_answers_alike(HalfScripted())


class ByKeyword(nn.Module):
    """As some of Hugging Face's: what it is given has to be named."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = nn.Conv2d(3, 5, 3)

    def forward(self, *, pixel_values: Tensor, mask: Tensor | None = None) -> Tensor:
        features = self.classes(pixel_values)
        return features if mask is None else features * mask


def test_what_has_to_be_given_by_keyword_is() -> None:
    module = ByKeyword().eval()
    network = open_network(module, input_shape=SHAPE)
    assert list(network.graph.inputs) == ["pixel_values"]
    x = torch.randn(2, *SHAPE[1:])
    found = network.activations(x, "classes")["classes"]
    torch.testing.assert_close(found, module(pixel_values=x).detach(), rtol=1e-5, atol=1e-6)
