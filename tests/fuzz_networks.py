"""Networks for `fuzz` that hold much in little: most layer types of each format, its functions, its loose files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from formats.tensorflow.test_saved_model import served
from plain_caffe import PlainCaffe
from plain_keras import functional, input_layer, layer, normal, positive, write_h5, write_keras
from protobuf_oracle import message_class
from tensorflow_graphs import every_op
from torch_cases import branches
from zoo_files import first_generation, second_generation, with_weights

Damaged = tuple[Path, str, str]
"""The folder, the file in it that is damaged, and the one that is opened."""

CAFFE = """
name: "much"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 20 dim: 18 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 6 kernel_h: 3 kernel_w: 5 stride: 2 pad: 1 group: 3
    weight_filler { type: "xavier" } } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv"
    batch_norm_param { use_global_stats: true eps: 1e-4 } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "prelu" type: "PReLU" bottom: "conv" top: "prelu" }
layer { name: "lrn" type: "LRN" bottom: "prelu" top: "lrn" lrn_param { local_size: 3 alpha: 1e-3 beta: 0.75 } }
layer { name: "up" type: "Deconvolution" bottom: "lrn" top: "up"
    convolution_param { num_output: 4 kernel_size: 4 stride: 2 } }
layer { name: "crop" type: "Crop" bottom: "up" bottom: "data" top: "crop" crop_param { axis: 2 offset: 1 } }
layer { name: "slice" type: "Slice" bottom: "up" top: "a" top: "b" slice_param { axis: 1 slice_point: 1 } }
layer { name: "power" type: "Power" bottom: "a" top: "power" power_param { power: 2 scale: 0.5 shift: 1 } }
layer { name: "pool" type: "Pooling" bottom: "b" top: "pool"
    pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "tile" type: "Tile" bottom: "power" top: "tile" tile_param { axis: 1 tiles: 3 } }
layer { name: "sum" type: "Eltwise" bottom: "tile" bottom: "b" top: "sum"
    eltwise_param { operation: SUM coeff: 1 coeff: -1 } }
layer { name: "cat" type: "Concat" bottom: "sum" bottom: "b" top: "cat" concat_param { axis: 1 } }
layer { name: "elu" type: "ELU" bottom: "cat" top: "elu" elu_param { alpha: 0.7 } }
layer { name: "mvn" type: "MVN" bottom: "elu" top: "mvn" }
layer { name: "shape" type: "Reshape" bottom: "pool" top: "shape" reshape_param { shape { dim: 0 dim: -1 } } }
layer { name: "fc" type: "InnerProduct" bottom: "shape" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" dropout_param { dropout_ratio: 0.5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" include { phase: TRAIN } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" include { phase: TEST } }
layer { name: "most" type: "ArgMax" bottom: "prob" top: "most" argmax_param { top_k: 2 } }
"""
SMALL = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 16 dim: 16 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
    convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "fc" type: "InnerProduct" bottom: "norm" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


def write_rich_networks(place: Path) -> Iterator[Damaged]:
    """Write them below a folder; yield what is to be damaged and opened."""
    for write in (_caffe, _tensorflow, _keras, _onnx, _pytorch):
        yield from write(place)


def _folder(place: Path, name: str) -> Path:
    (folder := place / name).mkdir()
    return folder


def _caffe(place: Path) -> Iterator[Damaged]:
    folder = _folder(place, "caffe")
    (folder / "much.prototxt").write_text(CAFFE)
    yield folder, "much.prototxt", "much.prototxt"
    small = text_format.Parse(SMALL, message_class("NetParameter")())
    plain = PlainCaffe(small)
    plain.run({"data": torch.zeros(1, 3, 16, 16)})
    full = with_weights(small, plain.weights, legacy=True, double=True)
    for name, net in (("new", full), ("second", second_generation(full)), ("first", first_generation(full))):
        folder = _folder(place, f"caffe-{name}")
        (folder / "net.caffemodel").write_bytes(net.SerializeToString())
        bare = type(net)()
        bare.CopyFrom(net)
        for each in (*bare.layer, *bare.layers):
            del each.blobs[:]
            if each.DESCRIPTOR.name == "V1LayerParameter" and each.HasField("layer"):
                del each.layer.blobs[:]
        (folder / "net.prototxt").write_text(text_format.MessageToString(bare))
        yield folder, "net.caffemodel", "net.prototxt"
        yield folder, "net.prototxt", "net.prototxt"
        (alone := _folder(place, f"caffe-{name}-alone")).joinpath("net.caffemodel").write_bytes(
            net.SerializeToString()
        )
        yield alone, "net.caffemodel", "net.caffemodel"


def _tensorflow(place: Path) -> Iterator[Damaged]:
    graph = every_op()
    graph.save(_folder(place, "tensorflow") / "every.pb")
    yield place / "tensorflow", "every.pb", "every.pb"
    (_folder(place, "tensorflow-text") / "every.pbtxt").write_text(text_format.MessageToString(graph.message))
    yield place / "tensorflow-text", "every.pbtxt", "every.pbtxt"
    model, _ = served(place / "saved-model")
    for file in sorted(one for one in model.rglob("*") if one.is_file() and one.suffix != ".txt"):
        yield model, str(file.relative_to(model)), "."


def keras_layers(version: int) -> dict[str, Any]:
    """Return a Functional model of Keras with a model inside, a row of time steps and what has no weights."""

    def add(kind: str, name: str, *reads: Any, **config: Any) -> dict[str, Any]:
        return layer(kind, name, *reads, version=version, **config)

    convolution = {"kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "use_bias": True}
    shape = {"batch_shape" if version == 3 else "batch_input_shape": [None, 12, 10, 4]}
    inner = functional(
        "inner",
        [
            add("InputLayer", "within", **shape),
            add("DepthwiseConv2D", "depth", "within", depth_multiplier=1, **convolution),
            add("LeakyReLU", "leaky", "depth", alpha=0.2),
        ],
        ["within"],
        ["leaky"],
    )
    inner["inbound_nodes"] = add("x", "x", "norm")["inbound_nodes"]
    layers = [
        input_layer((12, 10, 3), key="batch_shape" if version == 3 else "batch_input_shape"),
        add("Conv2D", "conv", "photo", filters=4, activation="relu", **convolution),
        add("BatchNormalization", "norm", "conv", epsilon=1e-3, axis=[3], momentum=0.9),
        inner,
        add("Add", "sum", "norm", "inner"),
        add("ZeroPadding2D", "pad", "sum", padding=[[1, 2], [0, 1]]),
        add("Cropping2D", "crop", "pad", cropping=[[1, 0], [0, 1]]),
        add("UpSampling2D", "up", "crop", size=[2, 2], interpolation="bilinear"),
        add("AveragePooling2D", "average", "up", pool_size=[2, 2], strides=[2, 2], padding="same"),
        add("Concatenate", "both", "average", "crop", axis=-1),
        add("SpatialDropout2D", "drop", "both", rate=0.3),
        add("Permute", "turn", "drop", dims=[3, 1, 2]),
        add("Reshape", "rows", "turn", target_shape=[8, -1]),
        add(
            "LSTM", "lstm", "rows", units=3, activation="tanh", recurrent_activation="sigmoid", use_bias=True
        ),
        add("LayerNormalization", "layer_norm", "lstm", axis=[-1], epsilon=1e-3),
        add("Dense", "dense", "layer_norm", units=5, activation="softmax", use_bias=True),
    ]
    return functional("much", layers, ["photo"], ["dense"])


def keras_weights() -> dict[str, list[tuple[str, Any]]]:
    sides = 13 * 10
    return {
        "conv": [("kernel", normal(3, 3, 3, 4)), ("bias", normal(4))],
        "norm": [("gamma", positive(4)), ("beta", normal(4)), ("mean", normal(4)), ("variance", positive(4))],
        "inner": [("depth/depthwise_kernel", normal(3, 3, 4, 1)), ("depth/bias", normal(4))],
        "lstm": [("kernel", normal(sides, 12)), ("recurrent", normal(3, 12)), ("bias", normal(12))],
        "layer_norm": [("gamma", positive(3)), ("beta", normal(3))],
        "dense": [("kernel", normal(3, 5)), ("bias", normal(5))],
    }


def _keras(place: Path) -> Iterator[Damaged]:
    folder = _folder(place, "keras")
    weights = keras_weights()
    write_h5(folder / "much.h5", keras_layers(2), weights)
    yield folder, "much.h5", "much.h5"
    names = {"norm": "batch_normalization", "conv": "conv2d", "layer_norm": "layer_normalization"}
    datasets = {}
    for name, variables in weights.items():
        for index, (_, array) in enumerate(variables):
            at = "functional/layers/depthwise_conv2d" if name == "inner" else names.get(name, name)
            at += "/cell" if name == "lstm" else ""
            datasets[f"layers/{at}/vars/{index}"] = array
    write_keras(folder / "much.keras", keras_layers(3), datasets)
    yield folder, "much.keras", "much.keras"
    (folder / "much.json").write_text(json.dumps(keras_layers(2)))
    yield folder, "much.json", "much.json"


def _onnx(place: Path) -> Iterator[Damaged]:
    folder, node = _folder(place, "onnx"), helper.make_node
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    empty = helper.make_empty_tensor_value_info
    then = helper.make_graph([node("Neg", ["n"], ["t"])], "then", [], [empty("t")])
    other = helper.make_graph([node("Abs", ["n"], ["o"])], "else", [], [empty("o")])
    loop = helper.make_graph(
        [node("Add", ["held", "held"], ["next"]), node("Identity", ["going"], ["go"])],
        "loop",
        [empty("i"), empty("going"), empty("held")],
        [empty("go"), empty("next")],
    )
    body = [node("Softmax", ["a"], ["s"], axis=1), node("Mul", ["a", "s"], ["b"])]
    gate = helper.make_function("own", "gate", ["a"], ["b"], body, [helper.make_opsetid("", 18)], [])
    random = np.random.default_rng(5)
    constants = {
        "w": random.normal(size=(6, 3, 3, 3)),
        "b": random.normal(size=6),
        "ones": np.ones(6),
        "r": random.normal(size=(1, 12, 6)),
        "rr": random.normal(size=(1, 12, 3)),
        "fc": random.normal(size=(3, 4)),
    }
    whole = {
        "sizes": [1, 6, 9, 9],
        "rows": [0, 6, -1],
        "three": 3,
        "begin": [1],
        "end": [100],
        "along": [2],
        "step": [2],
    }
    nodes = [
        node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2], kernel_shape=[3, 3]),
        node("BatchNormalization", ["c", "ones", "b", "b", "ones"], ["n"], epsilon=1e-4),
        node("Constant", [], ["yes"], value=yes),
        node("If", ["yes"], ["f"], then_branch=then, else_branch=other),
        node("Loop", ["three", "yes", "f"], ["l"], body=loop),
        node("gate", ["l"], ["g"], domain="own"),
        node("Resize", ["g", "", "", "sizes"], ["z"], mode="linear"),
        node("Slice", ["z", "begin", "end", "along", "step"], ["q"]),
        node("MaxPool", ["q"], ["p"], kernel_shape=[2, 2], strides=[1, 2], ceil_mode=1),
        node("Reshape", ["p", "rows"], ["v"]),
        node("Transpose", ["v"], ["t2"], perm=[2, 0, 1]),
        node("LSTM", ["t2", "r", "rr"], ["all", "last"], hidden_size=3),
        node("Squeeze", ["last", "zero"], ["flat"]),
        node("Gemm", ["flat", "fc"], ["scores"], alpha=0.5),
        node("Softmax", ["scores"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "much",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 14, 14])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [
            *(numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()),
            *(numpy_helper.from_array(np.asarray(value, np.int64), name) for name, value in whole.items()),
            numpy_helper.from_array(np.asarray([0], np.int64), "zero"),
        ],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=[gate])
    onnx.save(model, folder / "much.onnx")
    yield folder, "much.onnx", "much.onnx"
    outside = _folder(place, "onnx-outside")
    onnx.save(
        model, outside / "much.onnx", save_as_external_data=True, location="much.data", size_threshold=0
    )
    yield outside, "much.onnx", "much.onnx"
    yield outside, "much.data", "much.onnx"


def _pytorch(place: Path) -> Iterator[Damaged]:
    folder, module, x = _folder(place, "pytorch"), branches(), torch.zeros(1, 3, 24, 24)
    torch.jit.trace(module, x).save(folder / "traced.pt")  # type: ignore[no-untyped-call]
    torch.jit.script(module).save(folder / "scripted.pt")  # type: ignore[no-untyped-call]
    torch.save(module, folder / "whole.pth")
    torch.export.save(torch.export.export(module, (x,)), folder / "exported.pt2")
    for name in ("traced.pt", "scripted.pt", "whole.pth", "exported.pt2"):
        yield folder, name, name
    hub, state = _folder(place, "hub"), module.state_dict()
    halves = list(state)[: len(state) // 2], list(state)[len(state) // 2 :]
    for index, names in enumerate(halves):
        save_file({name: state[name] for name in names}, hub / f"model-0000{index + 1}-of-00002.safetensors")
    places = {
        name: f"model-0000{index + 1}-of-00002.safetensors"
        for index, names in enumerate(halves)
        for name in names
    }
    (hub / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": 1}, "weight_map": places})
    )
    for name in ("model.safetensors.index.json", "model-00001-of-00002.safetensors"):
        yield hub, name, "model.safetensors.index.json"
