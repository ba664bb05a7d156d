"""The networks the benchmarks run: real ones where their files are, CaffeNet and VGG16 with seeded random weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import convscope
from convscope.errors import ConvscopeWarning
from convscope.formats.caffe.message import Message
from convscope.formats.caffe.text import write_text
from convscope.network.network import Network

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "caffe"


def classic_networks(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return name to (description, weights); what has no real weights here is written to `folder`."""
    found = {}
    for name in ("bvlc_googlenet", "squeezenet_v1.1"):
        if (DATA / name).is_dir():
            found[name] = (DATA / name / "deploy.prototxt", next((DATA / name).glob("*.caffemodel")))
    return found | {
        "CaffeNet": _written("CaffeNet", caffenet(), folder),
        "VGG16": _written("VGG16", vgg16(), folder),
    }


def _written(name: str, net: Message, folder: Path) -> tuple[Path, Path]:
    description, weights = folder / f"{name}.prototxt", folder / f"{name}.caffemodel"
    if not weights.exists():
        description.write_text(write_text(net))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvscopeWarning)
            convscope.open_network(description).save(weights)
    return description, weights


def caffenet() -> Message:
    """Krizhevsky et al. (2012) as Caffe's reference model has it: 61 million parameters."""
    net = _begin("CaffeNet", 227)
    blob = _convolution(net, "conv1", "data", 96, 11, stride=4)
    blob = _norm(net, "norm1", _pool(net, "pool1", blob, 3))
    blob = _norm(
        net, "norm2", _pool(net, "pool2", _convolution(net, "conv2", blob, 256, 5, pad=2, group=2), 3)
    )
    blob = _convolution(net, "conv3", blob, 384, 3, pad=1)
    blob = _convolution(net, "conv4", blob, 384, 3, pad=1, group=2)
    blob = _pool(net, "pool5", _convolution(net, "conv5", blob, 256, 3, pad=1, group=2), 3)
    return _end(net, blob, "fc6", "fc7", "fc8")


def vgg16() -> Message:
    """Simonyan and Zisserman (2014): 138 million parameters."""
    net = _begin("VGG16", 224)
    blob = "data"
    for block, (count, filters) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)], 1):
        for index in range(1, count + 1):
            blob = _convolution(net, f"conv{block}_{index}", blob, filters, 3, pad=1)
        blob = _pool(net, f"pool{block}", blob, 2)
    return _end(net, blob, "fc6", "fc7", "fc8")


def _begin(name: str, size: int) -> Message:
    net = Message("NetParameter", name=name)
    layer = net.add("layer", name="data", type="Input", top=["data"])
    layer.ensure("input_param").add("shape").dim = [1, 3, size, size]
    return net


def _convolution(net: Message, name: str, bottom: str, filters: int, kernel: int, **more: int) -> str:
    layer = net.add("layer", name=name, type="Convolution", bottom=[bottom], top=[name])
    parameters = layer.ensure("convolution_param")
    parameters.num_output, parameters.kernel_size = filters, [kernel]
    parameters.group = more.pop("group", 1)
    for key, value in more.items():
        setattr(parameters, key, [value])
    return _relu(net, name)


def _relu(net: Message, blob: str) -> str:
    net.add("layer", name=f"relu_{blob}", type="ReLU", bottom=[blob], top=[blob])
    return blob


def _pool(net: Message, name: str, bottom: str, kernel: int) -> str:
    layer = net.add("layer", name=name, type="Pooling", bottom=[bottom], top=[name])
    parameters = layer.ensure("pooling_param")
    parameters.kernel_size, parameters.stride = kernel, 2
    return name


def _norm(net: Message, name: str, bottom: str) -> str:
    layer = net.add("layer", name=name, type="LRN", bottom=[bottom], top=[name])
    parameters = layer.ensure("lrn_param")
    parameters.local_size, parameters.alpha, parameters.beta = 5, 1e-4, 0.75
    return name


def _end(net: Message, blob: str, *names: str) -> Message:
    for name, outputs in zip(names, (4096, 4096, 1000), strict=True):
        layer = net.add("layer", name=name, type="InnerProduct", bottom=[blob], top=[name])
        layer.ensure("inner_product_param").num_output = outputs
        blob = _relu(net, name) if outputs == 4096 else name
    net.add("layer", name="prob", type="Softmax", bottom=[blob], top=["prob"])
    return net


def main_outputs(network: Network) -> Sequence[str]:
    """Every blob but the input: what `activations` returns when none is named."""
    return [name for name in network.layers if name not in network.graph.inputs]
