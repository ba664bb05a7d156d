"""What people reported of PyTorch's files and modules: each rebuilt small, with the right value restated."""

import collections
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.package import PackageExporter

import convscope
from convscope import open_network
from convscope.errors import NetworkFileError

SHAPE = (1, 3, 16, 16)


class Small(nn.Module):
    """A network with a convolution and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.bn(self.conv(x))).mean((2, 3)))


@pytest.fixture
def module() -> Small:
    torch.manual_seed(3)
    made = Small().eval()
    made.bn.running_mean.uniform_(-1, 1)
    return made


def pixels(seed: int = 1) -> Tensor:
    return torch.randn(2, *SHAPE[1:], generator=torch.Generator().manual_seed(seed))


def saved(folder: Path, content: Any, name: str = "best.pt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def assert_holds(path: Path, module: nn.Module) -> None:
    network = open_network(path, architecture=Small, input_shape=SHAPE)
    found = network.activations(pixels(), "head")["head"]
    torch.testing.assert_close(found, module(pixels()).detach(), rtol=1e-5, atol=1e-6)


def arrays(module: nn.Module) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


CONTENTS: dict[str, Any] = {
    "netron_1302_a_tuple_of_weights_and_a_number": lambda m: (m.state_dict(), 30_000),
    "netron_1302_an_object_of_somebodys_own_beside": lambda m: [collections.Counter("ab"), m.state_dict()],
    "netron_1302_arrays_for_tensors": lambda m: {"model": arrays(m), "epoch": np.int64(3)},
    "netron_544_a_whole_network_in_parallel": lambda m: {"model": nn.DataParallel(m)},
    "yolov5_353_and_13627_a_whole_network": lambda m: {"epoch": -1, "model": m, "ema": None, "date": "2021"},
    "deepmd_kit_4147_a_number_of_numpy_inside_the_weights": lambda m: {
        "model": collections.OrderedDict(m.state_dict(), _extra_state={"lr": np.float64(0.001)})
    },
    "pytorch_138985_and_nerfstudio_3702_a_number_of_numpy_beside": lambda m: {
        "state_dict": m.state_dict(),
        "best": np.float64(0.3),
        "random": np.random.default_rng(0).bit_generator.state,
    },
}


@pytest.mark.filterwarnings("ignore::convscope.ConvscopeWarning")
@pytest.mark.parametrize("name", CONTENTS)
def test_a_checkpoint_as_programs_leave_it(name: str, module: Small, tmp_path: Path) -> None:
    assert_holds(saved(tmp_path, CONTENTS[name](module)), module)


@pytest.mark.filterwarnings("ignore::convscope.ConvscopeWarning")
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("tensors", [False, True])
def test_detectron2_3546_and_2890_weights_that_pickle_alone_wrote(
    protocol: int, tensors: bool, module: Small, tmp_path: Path
) -> None:
    """Detectron's zoo is pickles of arrays, without anything of PyTorch's."""
    held = module.state_dict() if tensors else arrays(module)
    content = {"model": dict(held), "__author__": "Detectron2 Model Zoo", "matching_heuristics": True}
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    assert_holds(tmp_path / "model.pkl", module)


def test_detectron2_2890_weights_of_python_2(tmp_path: Path) -> None:
    """Their names and numbers are strings of bytes: a pickle of Python 2 written out by hand."""
    numbers = np.arange(5, dtype="<f4").tobytes()

    def text(content: bytes) -> bytes:
        return b"U" + bytes([len(content)]) + content

    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85" + text(b"b") + b"tR"
    kind = b"cnumpy\ndtype\n(" + text(b"f4") + b"K\x00K\x01tR"
    kind += b"(K\x03" + text(b"<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    state = b"(K\x01K\x05\x85" + kind + b"\x89" + text(numbers) + b"tb"
    (tmp_path / "R-50.pkl").write_bytes(b"\x80\x02}" + text(b"bias") + array + state + b"s.")

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(5))

        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3)).sum(1, keepdim=True) + self.bias

    with pytest.warns(convscope.ConvscopeWarning):
        network = open_network(tmp_path / "R-50.pkl", architecture=Plain, input_shape=SHAPE)
    assert network.parameters["bias"].tolist() == [0, 1, 2, 3, 4]


def package(path: Path, module: nn.Module) -> None:
    with PackageExporter(str(path)) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", module)


def pointer(path: Path, module: nn.Module) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4cac\nsize 84977953\n")


def old_tar(path: Path, module: nn.Module) -> None:
    with tarfile.open(path, "w") as file:
        file.add(saved(path.parent, module.state_dict(), "tensors"), "tensors")


def quantized_program(path: Path, module: nn.Module) -> None:
    quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 3, torch.quint8)
    made = nn.Module()
    made.register_buffer("codes", quantized)
    torch.jit.script(made).save(str(path))


REFUSED: dict[str, tuple[Any, str]] = {
    "netron_928_torch_package": (package, r"is a torch\.package.* torch\.save\(model\.state_dict"),
    "pytorch_hair_segmentation_60_a_pointer": (pointer, "a Git LFS pointer.*git lfs pull"),
    "netron_265_a_tar_archive": (old_tar, "a tar archive"),
    "netron_543_a_quantized_program": (quantized_program, "a quantized network: .*ONNX export"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_weights_to_read_says_what_to_do(name: str, module: Small, tmp_path: Path) -> None:
    write, words = REFUSED[name]
    write(tmp_path / "model.pt", module)
    with pytest.raises(NetworkFileError, match=words) as caught:
        open_network(tmp_path / "model.pt", architecture=Small)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_netron_546_a_program_with_a_fourier_transform(tmp_path: Path) -> None:
    class Spectrum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.fft2(torch.relu(self.conv(x))).real

    torch.manual_seed(0)
    made = Spectrum().eval()
    torch.jit.trace(made, pixels()).save(str(tmp_path / "test.pt"))
    network = open_network(tmp_path / "test.pt", input_shape=SHAPE)
    (last,) = network.graph.outputs
    torch.testing.assert_close(
        network.activations(pixels(), last)[last], made(pixels()).detach(), rtol=1e-4, atol=1e-4
    )


class InPlace(nn.Module):
    """DenseNet's end: what is asked about is overwritten by the activation behind it."""

    def __init__(self, *, overwrites: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4))
        self.head, self.overwrites = nn.Linear(4, 5), overwrites

    def forward(self, x: Tensor) -> Tensor:
        found = F.relu(self.features(x), inplace=self.overwrites)
        return self.head(F.adaptive_avg_pool2d(found, 1).flatten(1))


def test_grad_cam_147_and_captum_973_activations_that_overwrite() -> None:
    """The evidence is that of the same network without overwriting, and of the formula."""
    torch.manual_seed(1)
    plain = InPlace(overwrites=False).eval()
    over = InPlace(overwrites=True).eval()
    over.load_state_dict(plain.state_dict())
    found = []
    for made in (plain, over):
        network = open_network(made, input_shape=SHAPE)
        layer = next(name for name in network.layers if network.layers[name].kind == "BatchNorm2d")
        found.append(convscope.grad_cam(network, pixels()[:1], f"{network.graph.outputs[0]}:2", layer=layer))
    maps = plain.features(pixels()[:1]).detach().requires_grad_()
    plain.head(F.relu(maps).mean((2, 3)))[0, 2].backward()
    expected = (maps.grad.mean((2, 3), keepdim=True) * maps).sum(1)[0].detach()
    for one in found:
        torch.testing.assert_close(
            torch.as_tensor(one.values).float().reshape(expected.shape), expected, rtol=1e-4, atol=1e-6
        )


class Reused(nn.Module):
    """One pooling and one activation for both stages; or activations made anew at each call."""

    def __init__(self, *, anew: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.pool, self.relu, self.head, self.anew = nn.MaxPool2d(2), nn.ReLU(), nn.Linear(16, 5), anew

    def forward(self, x: Tensor) -> Tensor:
        relu = nn.ReLU() if self.anew else self.relu
        x = self.pool(relu(self.conv1(x)))
        return self.head(self.pool(relu(self.conv2(x))).flatten(1))


def test_captum_200_1082_and_934_modules_that_are_used_twice() -> None:
    """DeepLIFT's answers add up to the difference of the class's score, whoever made the activation."""
    torch.manual_seed(2)
    first = Reused(anew=False).eval()
    second = Reused(anew=True).eval()
    second.load_state_dict(first.state_dict())
    picture = pixels()[:1]
    found = []
    for made in (first, second):
        network = open_network(made, input_shape=SHAPE)
        assert len([name for name in network.layers if "pool" in name]) == 2
        answer = convscope.deep_lift(network, picture, f"{network.graph.outputs[0]}:1", baseline="zero")
        found.append(torch.as_tensor(answer.values))
        score = float((made(picture) - made(torch.zeros_like(picture)))[0, 1].detach())
        assert abs(float(found[-1].sum()) - score) < 1e-4 * max(1, abs(score))
    torch.testing.assert_close(found[0], found[1])


def test_lucent_11_a_module_that_trains_is_looked_at_as_it_answers(module: Small) -> None:
    module.train()
    network = open_network(module, input_shape=SHAPE)
    assert module.training
    module.eval()
    torch.testing.assert_close(network.activations(pixels(), "head")["head"], module(pixels()).detach())
    with pytest.raises(convscope.ConvscopeError, match=r"Did you mean.*head"):
        network.activations(pixels(), "heads")
