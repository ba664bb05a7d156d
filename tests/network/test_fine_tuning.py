"""A new head on a real network: where it starts, that it learns, that it is saved."""

from math import log
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import NodeProto, TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

import convscope
from convscope.cli import main
from convscope.errors import InputError, UnknownLayer
from convscope.formats.caffe.building import build_graph
from convscope.formats.caffe.text import read_text
from convscope.network.fine_tuning import fine_tune, image_folder
from convscope.network.known_inputs import guess_caffe_input
from convscope.network.surgery import head_of, replace_head

COLORS = {
    "blue": (40, 60, 220),
    "green": (40, 200, 60),
    "grey": (128, 128, 128),
    "red": (220, 40, 40),
    "white": (250,) * 3,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five classes of noisy pictures, told apart by their color."""
    root, random = tmp_path_factory.mktemp("colors"), np.random.default_rng(0)
    for name, color in COLORS.items():
        (root / name).mkdir()
        for index in range(4):
            noise = random.normal(0, 25, (48, 48, 3))
            pixels = np.clip(noise + color, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


@pytest.fixture
def network(shared_data: Path) -> convscope.Network:
    return convscope.open_network(shared_data / "caffe/squeezenet_v1.1")


def test_a_head_of_zeros_finds_every_class_equally_probable(network: convscope.Network, folder: Path) -> None:
    paths, numbers, labels = image_folder(folder)
    tuned = replace_head(network, labels)
    assert labels == sorted(COLORS)
    assert [(label, round(p, 6)) for label, p in tuned.predict(paths[0])] == [
        (label, 0.2) for label in labels
    ]
    step = next(fine_tune(tuned, (paths, numbers), steps=1, batch_size=2))
    assert step.loss == pytest.approx(log(5), abs=1e-6)
    before = tuned.activations(tuned.preprocess(paths[0]), "fire9/concat")["fire9/concat"]
    assert torch.equal(
        before, network.activations(network.preprocess(paths[0]), "fire9/concat")["fire9/concat"]
    )


@pytest.mark.slow
def test_it_learns_the_colors_and_is_saved(network: convscope.Network, folder: Path, tmp_path: Path) -> None:
    paths, numbers, labels = image_folder(folder)
    steps = list(fine_tune(replace_head(network, labels), (paths, numbers), steps=15, batch_size=10))
    assert [step.number for step in steps] == list(range(1, 16))
    assert steps[-1].loss < 0.5 * steps[0].loss
    tuned = steps[-1].network
    right = [tuned.predict(path, top=1)[0][0] == path.parent.name for path in paths]
    assert np.mean(right) >= 0.9
    changed = [
        k
        for k, v in tuned.parameters.items()
        if v.shape != network.parameters[k].shape or not torch.equal(v, network.parameters[k])
    ]
    assert changed == ["conv10.weight", "conv10.bias"]
    again = convscope.open_network(tuned.save(tmp_path / "colors.caffemodel"), labels=labels)
    x = tuned.preprocess(paths[0])
    assert torch.equal(again.activations(x, "prob")["prob"], tuned.activations(x, "prob")["prob"])
    assert again.graph.parameters.shapes["conv10.weight"] == (5, 512, 1, 1)


@pytest.mark.slow
def test_the_same_seed_learns_the_same_and_chosen_layers_learn(
    network: convscope.Network, folder: Path
) -> None:
    pictures = image_folder(folder)[:2]
    start = replace_head(network, list(COLORS), spread=0.01)
    layers = ["fire9/squeeze1x1", "conv10"]
    runs = [list(fine_tune(start, pictures, layers=layers, steps=2, batch_size=2))[-1] for _ in range(2)]
    one, two = (run.network.parameters["fire9/squeeze1x1.weight"] for run in runs)
    assert torch.equal(one, two) and not torch.equal(one, network.parameters["fire9/squeeze1x1.weight"])


def test_what_cannot_be_learned_is_said(network: convscope.Network, folder: Path, tmp_path: Path) -> None:
    assert [each.name for each in head_of(network)] == ["conv10"]
    with pytest.raises(UnknownLayer, match="Did you mean 'conv1' or 'conv10'"):
        next(fine_tune(network, image_folder(folder)[:2], layers=["conv11"]))
    with pytest.raises(InputError, match="at least two folders"):
        image_folder(tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        image_folder(tmp_path / "missing")
    with pytest.raises(InputError, match="at least two labels"):
        replace_head(network, ["one"])
    (tmp_path / "colors/train").mkdir(parents=True)
    (tmp_path / "colors/test").symlink_to(folder)
    (tmp_path / "colors/train/red").mkdir()
    with pytest.raises(InputError, match=r"/colors/test is a class here, .*; its folders may be the classes"):
        image_folder(tmp_path / "colors")


class Classifier(nn.Module):
    """A small one; exported `alone`, its code has room for a batch of one."""

    def __init__(self, alone: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.alone, self.conv, self.head = alone, nn.Conv2d(3, 4, 3, 4), nn.Linear(4 * 64, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(x))
        answer: torch.Tensor = self.head(x.reshape(1, 256) if self.alone else x.flatten(1))
        return answer


@pytest.mark.filterwarnings("ignore::convscope.errors.ConvscopeWarning")
def test_a_program_that_was_exported_of_one_picture_learns_the_same(folder: Path, tmp_path: Path) -> None:
    """Two pictures through its `reshape(1, 256)` were a RuntimeError, and called a fault of convscope's."""
    losses = []
    for alone in (True, False):
        path = tmp_path / f"{alone}.pt2"
        torch.export.save(torch.export.export(Classifier(alone).eval(), (torch.zeros(1, 3, 32, 32),)), path)
        paths, numbers, labels = image_folder(folder)
        network = replace_head(convscope.open_network(path), labels)
        losses.append([step.loss for step in fine_tune(network, (paths, numbers), steps=3, batch_size=4)])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert len(set(losses[0])) == 3


def test_a_map_of_classes_is_not_taught_one_a_picture(folder: Path) -> None:
    network = convscope.open_network(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)), input_shape=(1, 3, 32, 32))
    with pytest.raises(InputError, match=r"teaches classes of whole pictures, and .* answers .*map"):
        next(fine_tune(network, image_folder(folder)[:2], steps=1))


def onnx_classifier(path: Path, *behind: NodeProto) -> convscope.Network:
    """Six pooled channels `f` and seven classes `y`: what `behind` makes of them, W (6, 7) and b (7,)."""
    random = np.random.default_rng(3)
    sizes = {"k": (6, 3, 3, 3), "W": (6, 7), "b": (7,)}
    tensors = [
        numpy_helper.from_array(random.normal(size=size).astype("f"), name) for name, size in sizes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        *behind,
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
        for name, size in (("x", [1, 3, 24, 20]), ("y", [1, 7]))
    ]
    graph = helper.make_graph(nodes, "classifier", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return convscope.open_network(path, mean=(0.1, 0.2, 0.3), raw_scale=1, channel_order="RGB")


@pytest.mark.parametrize(
    "behind",
    [
        [helper.make_node("Gemm", ["f", "W", "b"], ["y"])],
        [helper.make_node("MatMul", ["f", "W"], ["m"]), helper.make_node("Add", ["m", "b"], ["y"])],
    ],
)
def test_a_head_of_inputs_by_classes_and_a_bias_of_its_own(
    behind: list[NodeProto], folder: Path, tmp_path: Path
) -> None:
    network = onnx_classifier(tmp_path / "classifier.onnx", *behind)
    start = replace_head(network, list(COLORS), spread=0.3)
    x = network.preprocess(sorted((folder / "red").iterdir())[0])
    found = start.activations(x, ["f", "y"])
    weight = start.parameters[head_of(start)[0].parameters["weight"]]
    assert weight.shape == (6, 5) and torch.allclose(found["y"], found["f"] @ weight)
    *_, last = fine_tune(start, image_folder(folder)[:2], steps=1, batch_size=5)
    changed = [
        key for key, old in start.parameters.items() if not torch.equal(old, last.network.parameters[key])
    ]
    assert sorted(last.network.parameters[key].shape for key in changed) == [(5,), (6, 5)]


def test_what_follows_a_head_and_knows_its_classes_is_named(tmp_path: Path) -> None:
    behind = [helper.make_node("Gemm", ["f", "W"], ["g"]), helper.make_node("Mul", ["g", "b"], ["y"])]
    network = onnx_classifier(tmp_path / "classifier.onnx", *behind)
    with pytest.raises(InputError, match="what follows the head 'g' is made for its 7 classes"):
        replace_head(network, list(COLORS))


@pytest.mark.slow
def test_from_the_command_line(shared_data: Path, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "colors.caffemodel"
    arguments = ["fine-tune", str(shared_data / "caffe/squeezenet_v1.1"), str(folder), "--steps", "12"]
    result = CliRunner().invoke(main, [*arguments, "--batch-size", "10", "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert output.is_file()
    tuned = convscope.open_network(output)
    assert tuned.labels == tuple(sorted(COLORS))
    assert tuned.input_spec is not None and tuned.input_spec.mean == (104, 117, 123)
    right = [tuned.predict(path, top=1)[0][0] == path.parent.name for path in image_folder(folder)[0]]
    assert np.mean(right) >= 0.8


def test_the_loss_is_that_of_what_predict_says(
    network: convscope.Network, folder: Path, tmp_path: Path
) -> None:
    """SqueezeNet answers through a ReLU and a pooling behind its head."""
    labels = image_folder(folder)[2]
    start = replace_head(network, labels, spread=0.05)
    plain = tmp_path / "plain.png"  # mirrored, it is the same
    Image.new("RGB", (48, 48), "teal").save(plain)
    step = next(fine_tune(start, ([plain], [2]), steps=1, batch_size=1))
    assert step.loss == pytest.approx(-log(dict(start.predict(plain))[labels[2]]), rel=1e-4)


def test_statistics_and_side_branches_are_not_learned(folder: Path) -> None:
    text = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
            convolution_param { num_output: 4 kernel_size: 3 } }
    layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
    layer { name: "aux" type: "InnerProduct" bottom: "conv" top: "aux"
            inner_product_param { num_output: 5 } }
    layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 5 } }
    layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
    """
    graph = build_graph(read_text(text))
    tiny = convscope.Network(graph, input_spec=guess_caffe_input(graph.inputs["data"]))
    pictures = image_folder(folder)[:2]
    for layer in ("norm", "aux"):
        with pytest.raises(UnknownLayer, match="on the way to 'fc' has parameters to learn"):
            next(fine_tune(tiny, pictures, layers=[layer]))
    step = next(fine_tune(tiny, pictures, layers=["conv", "fc"], steps=1))
    assert not torch.equal(step.network.parameters["conv.weight"], tiny.parameters["conv.weight"])


def test_an_ending_nobody_writes_is_told_before_the_training(folder: Path, shared_data: Path) -> None:
    arguments = ["fine-tune", str(shared_data / "caffe/squeezenet_v1.1"), str(folder), "-o", "model.pt"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and ".caffemodel" in result.output
