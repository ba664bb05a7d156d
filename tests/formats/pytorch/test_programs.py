"""Weights of TorchScript and of exported programs against torch's own loaders, and files that lie."""

import zipfile
from collections.abc import Callable
from copy import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import open_network
from convscope.errors import ConvscopeError, NetworkFileError
from convscope.formats.pytorch.checkpoints import read_checkpoint


def module() -> nn.Module:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    ).eval()


INPUT = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def scripted(path: Path) -> Path:
    torch.jit.save(torch.jit.script(module()), str(path))
    return path


def traced(path: Path) -> Path:
    torch.jit.save(torch.jit.trace(module().half().float(), INPUT), str(path))
    return path


def exported(path: Path) -> Path:
    torch.export.save(torch.export.export(module(), (INPUT,)), path)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("save", "name"), [(scripted, "a.pt"), (traced, "b.pth"), (exported, "c.pt2")])
def test_the_weights_are_those_that_were_saved(save, name: str, tmp_path: Path) -> None:
    path = save(tmp_path / name)
    expected = (module().half().float() if save is traced else module()).state_dict()
    found = read_checkpoint(path).states[""]
    assert set(found) == set(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    network = open_network(path, architecture=module(), input_shape=(1, 3, 8, 8))
    answer = network.activations(INPUT, network.graph.outputs[0])[network.graph.outputs[0]]
    fresh = module()
    fresh.load_state_dict(expected)
    assert torch.allclose(answer, fresh(INPUT), atol=1e-6)


class Computes(nn.Module):
    """Has numbers of its own between its layers, which a trace keeps in double precision."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x) * 0.37 + 0.5
        return self.second(functional.relu(y - 0.25) / 6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_large_maps_of_the_input_are_no_numbers_of_the_file_s_own(tmp_path: Path) -> None:
    module, shape = (
        nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Sigmoid()).eval(),
        (1, 3, 512, 512),
    )
    torch.jit.save(torch.jit.script(module), str(tmp_path / "net.pt"))
    torch.export.save(torch.export.export(module, (torch.zeros(shape),)), tmp_path / "net.pt2")
    for name, given in (("net.pt", shape), ("net.pt2", None)):
        network = open_network(tmp_path / name, input_shape=given)
        assert network.layers[network.graph.outputs[0]].shape == (1, 64, 512, 512)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_a_trace_with_numbers_of_its_own(precision: torch.dtype, frozen: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    computes, x = Computes().eval().to(precision), INPUT.to(precision)
    made = torch.jit.trace(computes, x)
    torch.jit.save(torch.jit.freeze(made) if frozen else made, str(tmp_path / "net.pt"))
    network = open_network(tmp_path / "net.pt", input_shape=(1, 3, 8, 8))
    (output,) = network.graph.outputs
    answer = network.activations(x, output)[output]
    assert answer.dtype == precision
    torch.testing.assert_close(answer, computes(x).detach())


class Attends(nn.Module):
    """What a trace keeps of it computes with sizes that it holds as tensors: heads, scales, halves."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.head = nn.Conv2d(3, 8, 2, 2), nn.Linear(8, 3)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.patch(x)
        maps = functional.interpolate(maps, size=(maps.shape[2] * 3 // 2, int(maps.shape[3] / 2)))
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = tokens * tokens.shape[-1] ** -0.5 + self.attention(tokens, tokens, tokens)[0]
        found: Tensor = self.head(tokens[:, tokens.shape[1] // 2])
        return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_computes_with_sizes_as_tensors(tmp_path: Path) -> None:
    torch.manual_seed(5)
    attends = Attends().eval()
    torch.jit.save(torch.jit.trace(attends, INPUT, check_trace=False), str(tmp_path / "net.pt"))
    network = open_network(tmp_path / "net.pt", input_shape=(1, 3, 8, 8))
    (output,) = network.graph.outputs
    for shape in ((1, 3, 8, 8), (3, 3, 8, 8), (2, 3, 12, 16)):
        x = torch.rand(shape, generator=torch.Generator().manual_seed(6))
        expected = torch.jit.load(str(tmp_path / "net.pt"))(x).detach()
        torch.testing.assert_close(network.activations(x, output)[output], expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_made_for_one_kind_of_processor_is_called_so(tmp_path: Path) -> None:
    packed = torch.jit.optimize_for_inference(torch.jit.script(Computes().eval()))
    torch.jit.save(packed, str(tmp_path / "net.pt"))
    with pytest.raises(ConvscopeError, match=r"one kind of processor .*optimize_for_inference.*before that"):
        open_network(tmp_path / "net.pt", input_shape=(1, 3, 8, 8))


class Decides(nn.Module):
    """Has what scripts have: a loop over parts, a decision by size, functions with defaults, constants."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2)])
        self.head, self.drop = nn.Linear(4, 2), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for part in self.parts:
            x = functional.relu(part(x))
            if x.shape[2] > 4:
                x = functional.max_pool2d(x, 2)
        x = (
            functional.interpolate(x, scale_factor=2.0, mode="nearest")
            + torch.tensor([1.5, -0.25, 0.5, 2.0])[:, None, None]
        )
        return {"scores": self.head(self.drop(x.mean([2, 3]))), "features": x}


def decides() -> nn.Module:
    torch.manual_seed(4)
    return Decides().eval()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("form", ["scripted", "frozen", "traced"])
def test_a_script_opens_by_itself_and_answers_alike(form: str, tmp_path: Path) -> None:
    own = decides()
    program = torch.jit.trace(own, INPUT, strict=False) if form == "traced" else torch.jit.script(own)
    torch.jit.save(torch.jit.freeze(program) if form == "frozen" else program, str(tmp_path / "a.pt"))
    network = open_network(tmp_path / "a.pt", input_shape=(1, 3, 8, 8))
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(6))
    answers = network.activations(x, *network.graph.outputs)
    assert len(answers) == 2
    for answer, expected in zip(answers.values(), own(x).values(), strict=True):
        assert torch.allclose(answer, expected, atol=1e-6)
    if form != "frozen":
        assert network.layers["parts.0"].kind == "Conv2d"


_HEAD = "class Decides(Module):\n  def forward(self: __torch__.Decides,\n    x: Tensor) -> Tensor:\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class Reads(nn.Module):
    """Reads the rows of a picture's maps, one after the other, and looks from each at all."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.read = nn.Conv2d(3, 4, 3), nn.LSTM(24, 6, bidirectional=True, batch_first=True)
        self.look, self.again = nn.TransformerEncoderLayer(12, 3, 20, batch_first=True), nn.GRU(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        rows, _ = self.read(self.conv(x).permute(0, 2, 1, 3).flatten(2))
        return self.again(self.look(rows).transpose(0, 1))[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("frozen", [False, True])
def test_a_script_with_recurrent_layers_and_attention_answers_alike(tmp_path: Path, frozen: bool) -> None:
    """Their scripts keep lists with a tag of their type, and ask tensors for type and device."""
    torch.manual_seed(4)
    reads = Reads().eval()
    script = torch.jit.script(reads)
    (torch.jit.freeze(script) if frozen else script).save(str(tmp_path / "reads.pt"))
    network = open_network(tmp_path / "reads.pt", input_shape=(1, 3, 8, 8))
    output = network.graph.outputs[0]
    with torch.no_grad():
        torch.testing.assert_close(
            network.activations(INPUT, output)[output], reads(INPUT), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("    return torch.save(x, 'stolen')", "save"),
        ("    return torch.from_file('stolen', True, 8)", "from_file"),
        ("    return __import__('os').system('true')", "'__import__'"),
        ("    return ops.prim.load('stolen')", "'ops.prim.load'"),
        ("    return self.head.__class__(x)", "__class__"),
        ("    while True:\n      pass", "more than 30,000 steps"),
        (
            "    a = [0, 0]\n    for i in range(40):\n      a = torch.add(a, a)\n    return a",
            "a list or a text of 16,384 items",
        ),
        ("    return torch.mul([0], 1000000000)", "1,000,000,000 times as long"),
        (
            "    return torch.add(x, torch.sum(torch.zeros([40000, 40000])))",
            "40000x40000 of the file's own numbers",
        ),
        (
            "    a = torch.ones([1000, 1000])\n    for i in range(9):\n      a = torch.cat([a, a])\n    return a",
            "of the file's own numbers",
        ),
        ("    return (self).forward(x)", "calls itself more than"),
        ("    n = 3\n    while True:\n      n = torch.mul(n, n)", "beyond 64 bits"),
        ("    import os\n    return x", "Import"),
        ("    return x +", "damaged program: SyntaxError"),
    ],
)
def test_a_hostile_script_does_nothing(lines: str, words: str, tmp_path: Path, monkeypatch) -> None:
    torch.jit.save(torch.jit.script(decides()), str(tmp_path / "a.pt"))
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        sources = [name for name in archive.namelist() if name.endswith(".py")]
        member = next(name for name in sources if b"class Decides" in archive.read(name))
    name = member.removesuffix(".py").partition("code/")[2].replace("/", ".")
    source = _HEAD.replace("__torch__", name) + lines + "\n"
    path = changed(tmp_path / "a.pt", member, source.encode())
    with pytest.raises(ConvscopeError, match=words):
        open_network(path, input_shape=(1, 3, 8, 8))
    assert not (tmp_path / "stolen").exists()


def changed(path: Path, member: str, content: bytes) -> Path:
    """The same archive with one member replaced."""
    other = path.with_name("changed.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, content if info.filename.endswith(member) else old.read(info))
    return other


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("member", "content", "words"),
    [
        ("data.pkl", b"cos\nsystem\n(S'true'\ntR.", "asks for os.system, and convscope runs no code"),
        ("data.pkl", b"\x80\x02.", "stack underflow"),
        ("/data/0", b"\0" * 8, "numbers, and .* are claimed"),
    ],
)
def test_a_script_that_lies_is_refused(member: str, content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkFileError, match=words):
        read_checkpoint(changed(scripted(tmp_path / "a.pt"), member, content))


def test_an_exported_program_that_lies_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "a.pt2")
    with pytest.raises(NetworkFileError, match=r"numbers, and .* are claimed"):
        read_checkpoint(changed(path, "weights/weight_0", b"\0" * 8))
    with pytest.raises(NetworkFileError, match="damaged program"):
        read_checkpoint(changed(path, "model_weights_config.json", b'{"config": {"a": {}}}'))


@pytest.mark.parametrize("made", [scripted, exported])
def test_members_that_lie_in_one_another_are_refused(made: Callable[[Path], Path], tmp_path: Path) -> None:
    """A file of megabytes would have so many of each a thousand times over."""
    path = made(tmp_path / "a.pt2")
    with zipfile.ZipFile(path, "a") as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size * (member.compress_type == 0))
        for index in range(1000):
            archive.filelist.append(copy(largest))
            archive.filelist[-1].filename += str(index)
        archive.comment = b"as it is"  # for which the directory is written again
    with pytest.raises(NetworkFileError, match=r"a damaged .*: \S+ and \S+0 overlap in it, which"):
        open_network(path, input_shape=(1, 3, 8, 8))


@pytest.mark.parametrize(
    "way", [torch.jit.script, lambda net: torch.jit.trace(net, torch.zeros(1, 1, 28, 28))]
)
def test_a_script_without_a_shape_is_opened_for_what_its_first_layer_reads(way, tmp_path: Path) -> None:
    """A network for digits, as every course saves one, was tried with three channels at 224 alone, and refused."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 13 * 13, 10)
    ).eval()
    torch.jit.save(way(net), str(tmp_path / "digits.pt"))
    network = open_network(tmp_path / "digits.pt")
    assert list(network.graph.inputs.values()) == [(1, 1, 28, 28)]
    digits = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = network.activations(digits, list(network.layers)[-1])
    torch.testing.assert_close(*found.values(), net(digits))


def test_a_script_that_begins_with_a_layer_for_each_color_reads_three(tmp_path: Path) -> None:
    """Its filters have one channel each, and it was taken for a network of gray pictures, which it refuses."""
    colors = nn.Conv2d(3, 3, 1, groups=3)
    net = nn.Sequential(colors, nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    torch.jit.save(torch.jit.script(net), str(tmp_path / "colors.pt"))
    assert list(open_network(tmp_path / "colors.pt").graph.inputs.values()) == [(1, 3, 224, 224)]


def test_a_script_that_begins_with_a_dense_layer_reads_a_row_of_its_numbers(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(21, 4), nn.ReLU(), nn.Linear(4, 2))
    torch.jit.save(torch.jit.script(net), str(tmp_path / "table.pt"))
    assert list(open_network(tmp_path / "table.pt").graph.inputs.values()) == [(1, 21)]
