"""The well-known Caffe networks in small: their published wiring, with fewer filters and smaller pictures."""

from __future__ import annotations

from collections.abc import Callable

Made = Callable[[], str]


def layer(type_name: str, name: str, bottoms: str, tops: str = "", **parameters: str) -> str:
    """Write a V2 layer; without `tops` its top has its own name, and names are separated by spaces."""
    fields = "".join(f' bottom: "{blob}"' for blob in bottoms.split())
    fields += "".join(f' top: "{blob}"' for blob in (tops or name).split())
    fields += "".join(
        f" {key} {{ {value} }}" if not key.startswith("raw") else f" {value}"
        for key, value in parameters.items()
    )
    return f'layer {{ name: "{name}" type: "{type_name}"{fields} }}\n'


def expects(*shape: int, name: str = "data") -> str:
    dims = " ".join(f"dim: {size}" for size in shape)
    return f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'


def conv(
    name: str, bottom: str, count: int, kernel: int, more: str = "", top: str = "", relu: bool = True
) -> str:
    top = top or name
    text = layer(
        "Convolution",
        name,
        bottom,
        top,
        convolution_param=f"num_output: {count} kernel_size: {kernel} {more}",
    )
    return text + (layer("ReLU", f"relu_{name}", top, top) if relu else "")


def pool(name: str, bottom: str, how: str = "kernel_size: 3 stride: 2", kind: str = "MAX") -> str:
    return layer("Pooling", name, bottom, pooling_param=f"pool: {kind} {how}")


def fc(name: str, bottom: str, count: int, relu: bool = True) -> str:
    text = layer("InnerProduct", name, bottom, inner_product_param=f"num_output: {count}")
    if not relu:
        return text
    return text + layer("ReLU", f"relu_{name}", name, name) + layer("Dropout", f"drop_{name}", name, name)


def norm(name: str, bottom: str, more: str = "") -> str:
    return layer("LRN", name, bottom, lrn_param=f"local_size: 5 alpha: 0.01 beta: 0.75 {more}")


def normalized(name: str, bottom: str, count: int, kernel: int, more: str = "", relu: bool = True) -> str:
    """A convolution with batch normalization and scale in place, as in ResNet."""
    text = conv(name, bottom, count, kernel, f"{more} bias_term: false", relu=False)
    text += layer("BatchNorm", f"bn_{name}", name, name, batch_norm_param="use_global_stats: true")
    text += layer("Scale", f"scale_{name}", name, name, scale_param="bias_term: true")
    return text + (layer("ReLU", f"relu_{name}", name, name) if relu else "")


def softmax(bottom: str) -> str:
    return layer("Softmax", "prob", bottom)


def caffenet() -> str:
    text = expects(2, 3, 67, 67) + conv("conv1", "data", 8, 11, "stride: 4") + pool("pool1", "conv1")
    text += norm("norm1", "pool1") + conv("conv2", "norm1", 12, 5, "pad: 2 group: 2")
    text += pool("pool2", "conv2") + norm("norm2", "pool2") + conv("conv3", "norm2", 12, 3, "pad: 1")
    text += conv("conv4", "conv3", 12, 3, "pad: 1 group: 2") + conv("conv5", "conv4", 8, 3, "pad: 1 group: 2")
    text += pool("pool5", "conv5", "kernel_size: 2 stride: 1") + fc("fc6", "pool5", 16) + fc("fc7", "fc6", 16)
    return text + fc("fc8", "fc7", 10, relu=False) + softmax("fc8")


def alexnet() -> str:
    """As CaffeNet, with the normalization before the pooling."""
    text = expects(2, 3, 67, 67) + conv("conv1", "data", 8, 11, "stride: 4") + norm("norm1", "conv1")
    text += pool("pool1", "norm1") + conv("conv2", "pool1", 12, 5, "pad: 2 group: 2") + norm("norm2", "conv2")
    return text + pool("pool2", "norm2") + fc("fc8", "pool2", 10, relu=False) + softmax("fc8")


def vgg() -> str:
    text, bottom = expects(1, 3, 32, 32), "data"
    for stage, repeats in enumerate((2, 2, 3, 3, 3), 1):
        for index in range(1, repeats + 1):
            text += conv(f"conv{stage}_{index}", bottom, 4 * min(stage, 4), 3, "pad: 1")
            bottom = f"conv{stage}_{index}"
        text += pool(f"pool{stage}", bottom, "kernel_size: 2 stride: 2")
        bottom = f"pool{stage}"
    return (
        text
        + fc("fc6", bottom, 12)
        + fc("fc7", "fc6", 12)
        + fc("fc8", "fc7", 10, relu=False)
        + softmax("fc8")
    )


def vgg_cnn_s() -> str:
    text = expects(1, 3, 66, 66) + conv("conv1", "data", 8, 7, "stride: 2")
    text += norm("norm1", "conv1", "k: 2") + pool("pool1", "norm1", "kernel_size: 3 stride: 3")
    text += conv("conv2", "pool1", 12, 5) + pool("pool2", "conv2", "kernel_size: 2 stride: 2")
    text += conv("conv3", "pool2", 12, 3, "pad: 1") + pool("pool5", "conv3", "kernel_size: 3 stride: 3")
    return text + fc("fc6", "pool5", 12) + fc("fc8", "fc6", 10, relu=False) + softmax("fc8")


def nin() -> str:
    text = expects(1, 3, 45, 45) + conv("conv1", "data", 8, 11, "stride: 4") + conv("cccp1", "conv1", 8, 1)
    text += conv("cccp2", "cccp1", 8, 1) + pool("pool0", "cccp2") + conv("conv4", "pool0", 10, 3, "pad: 1")
    text += conv("cccp8", "conv4", 10, 1) + layer("Dropout", "drop", "cccp8", "cccp8")
    text += pool("pool4", "cccp8", "global_pooling: true", "AVE")
    return text + layer("Flatten", "flat", "pool4") + softmax("flat")


def resnet() -> str:
    text = (
        expects(1, 3, 33, 33) + normalized("conv1", "data", 8, 7, "pad: 3 stride: 2") + pool("pool1", "conv1")
    )
    for block, bottom, stride in (("res2a", "pool1", 1), ("res3a", "res2a", 2)):
        text += normalized(f"{block}_branch1", bottom, 16, 1, f"stride: {stride}", relu=False)
        text += normalized(f"{block}_branch2a", bottom, 4, 1, f"stride: {stride}")
        text += normalized(f"{block}_branch2b", f"{block}_branch2a", 4, 3, "pad: 1")
        text += normalized(f"{block}_branch2c", f"{block}_branch2b", 16, 1, relu=False)
        text += layer("Eltwise", block, f"{block}_branch1 {block}_branch2c") + layer(
            "ReLU", f"{block}_relu", block, block
        )
    text += pool("pool5", "res3a", "kernel_size: 4 stride: 1", "AVE")
    return text + fc("fc1000", "pool5", 10, relu=False) + softmax("fc1000")


def googlenet() -> str:
    text = expects(1, 3, 35, 35) + conv("conv1/7x7_s2", "data", 8, 7, "pad: 3 stride: 2")
    text += pool("pool1/3x3_s2", "conv1/7x7_s2") + norm("pool1/norm1", "pool1/3x3_s2")
    here, bottom = "inception_3a", "pool1/norm1"
    text += conv(f"{here}/1x1", bottom, 4, 1) + conv(f"{here}/3x3_reduce", bottom, 4, 1)
    text += conv(f"{here}/3x3", f"{here}/3x3_reduce", 6, 3, "pad: 1") + conv(
        f"{here}/5x5_reduce", bottom, 2, 1
    )
    text += conv(f"{here}/5x5", f"{here}/5x5_reduce", 4, 5, "pad: 2")
    text += pool(f"{here}/pool", bottom, "kernel_size: 3 stride: 1 pad: 1") + conv(
        f"{here}/pool_proj", f"{here}/pool", 4, 1
    )
    text += layer(
        "Concat",
        f"{here}/output",
        " ".join(f"{here}/{branch}" for branch in ("1x1", "3x3", "5x5", "pool_proj")),
    )
    text += pool("pool5", f"{here}/output", "kernel_size: 9 stride: 1", "AVE") + layer(
        "Dropout", "pool5/drop", "pool5", "pool5"
    )
    return text + fc("loss3/classifier", "pool5", 10, relu=False) + softmax("loss3/classifier")


def mobilenet() -> str:
    text = expects(1, 3, 32, 32) + normalized("conv1", "data", 8, 3, "pad: 1 stride: 2")
    text += normalized("conv2_1/dw", "conv1", 8, 3, "pad: 1 group: 8 engine: CAFFE")
    text += normalized("conv2_1/sep", "conv2_1/dw", 16, 1) + normalized(
        "conv2_2/dw", "conv2_1/sep", 16, 3, "pad: 1 stride: 2 group: 16"
    )
    text += pool("pool6", "conv2_2/dw", "global_pooling: true", "AVE") + conv(
        "fc7", "pool6", 10, 1, relu=False
    )
    return text + softmax("fc7")


def densenet() -> str:
    text, bottom = expects(1, 3, 18, 18) + conv("conv1", "data", 6, 3, "pad: 1", relu=False), "conv1"
    for index in range(1, 4):
        name = f"conv2_{index}"
        text += layer("BatchNorm", f"{name}/bn", bottom, batch_norm_param="eps: 1e-5")
        text += layer("Scale", f"{name}/scale", f"{name}/bn", f"{name}/bn", scale_param="bias_term: true")
        text += layer("ReLU", f"relu_{name}", f"{name}/bn", f"{name}/bn")
        text += conv(name, f"{name}/bn", 4, 3, "pad: 1 bias_term: false", relu=False)
        text += layer("Concat", f"concat_{name}", f"{bottom} {name}")
        bottom = f"concat_{name}"
    return text + pool("pool2", bottom, "kernel_size: 2 stride: 2", "AVE") + fc("fc", "pool2", 10, relu=False)


def fcn() -> str:
    """FCN-8s: a pad of 100 at the beginning, enlargement by deconvolution, skips that are cropped and added."""
    text = (
        expects(1, 3, 21, 26)
        + conv("conv1", "data", 6, 3, "pad: 40")
        + pool("pool3", "conv1", "kernel_size: 2 stride: 2")
    )
    text += conv("conv4", "pool3", 8, 3, "pad: 1") + pool("pool4", "conv4", "kernel_size: 2 stride: 2")
    text += pool("pool5", "pool4", "kernel_size: 2 stride: 2") + conv("fc6", "pool5", 8, 7)
    text += conv("score_fr", "fc6", 5, 1, relu=False) + layer(
        "Deconvolution",
        "upscore2",
        "score_fr",
        convolution_param="num_output: 5 bias_term: false kernel_size: 4 stride: 2",
    )
    text += conv("score_pool4", "pool4", 5, 1, relu=False)
    text += layer("Crop", "score_pool4c", "score_pool4 upscore2", crop_param="axis: 2 offset: 5")
    text += layer("Eltwise", "fuse_pool4", "upscore2 score_pool4c", eltwise_param="operation: SUM") + layer(
        "Deconvolution",
        "upscore8",
        "fuse_pool4",
        convolution_param="num_output: 5 group: 5 bias_term: false kernel_size: 16 stride: 4",
    )
    return text + layer("Crop", "score", "upscore8 data", crop_param="axis: 2 offset: 9 offset: 7")


def deeplab() -> str:
    text = (
        expects(1, 3, 33, 37)
        + conv("conv1", "data", 6, 3, "pad: 1")
        + pool("pool1", "conv1", "kernel_size: 3 stride: 1 pad: 1")
    )
    text += conv("conv5", "pool1", 6, 3, "pad: 2 dilation: 2") + pool(
        "pool5a", "conv5", "kernel_size: 3 stride: 1 pad: 1", "AVE"
    )
    text += conv("fc6_1", "pool5a", 6, 3, "pad: 6 dilation: 6") + conv(
        "fc6_2", "pool5a", 6, 3, "pad: 12 dilation: 12"
    )
    text += conv("fc8_1", "fc6_1", 4, 1, relu=False) + conv("fc8_2", "fc6_2", 4, 1, relu=False)
    return text + layer("Eltwise", "fc8", "fc8_1 fc8_2", eltwise_param="operation: SUM coeff: 1 coeff: 0.5")


def colorization() -> str:
    text = expects(1, 1, 16, 16, name="data_l") + conv("conv1_1", "data_l", 6, 3, "pad: 1")
    text += layer("BatchNorm", "conv1_1norm", "conv1_1") + conv("conv8", "conv1_1norm", 9, 1, relu=False)
    text += layer("Scale", "scaled", "conv8", scale_param="bias_term: false filler { value: 2.6 }")
    text += layer("Softmax", "class8_313_rh", "scaled")
    return text + layer(
        "Deconvolution",
        "up",
        "class8_313_rh",
        convolution_param="num_output: 2 kernel_size: 4 stride: 2 pad: 1",
    )


def squeezenet() -> str:
    text = expects(1, 3, 32, 32) + conv("conv1", "data", 8, 3, "stride: 2") + pool("pool1", "conv1")
    text += conv("fire2/squeeze1x1", "pool1", 4, 1) + conv("fire2/expand1x1", "fire2/squeeze1x1", 6, 1)
    text += conv("fire2/expand3x3", "fire2/squeeze1x1", 6, 3, "pad: 1")
    text += layer("Concat", "fire2/concat", "fire2/expand1x1 fire2/expand3x3") + conv(
        "conv10", "fire2/concat", 10, 1
    )
    return text + pool("pool10", "conv10", "global_pooling: true", "AVE") + softmax("pool10")


def hed() -> str:
    text = (
        expects(1, 3, 20, 22)
        + conv("conv1", "data", 6, 3, "pad: 35")
        + conv("score-dsn1", "conv1", 1, 1, relu=False)
    )
    text += layer("Crop", "upscore-dsn1", "score-dsn1 data", crop_param="axis: 2 offset: 34 offset: 34")
    text += pool("pool1", "conv1", "kernel_size: 2 stride: 2") + conv("conv2", "pool1", 6, 3, "pad: 1")
    text += conv("score-dsn2", "conv2", 1, 1, relu=False) + layer(
        "Deconvolution",
        "score-dsn2-up",
        "score-dsn2",
        convolution_param="num_output: 1 kernel_size: 4 stride: 2",
    )
    text += layer("Crop", "upscore-dsn2", "score-dsn2-up data", crop_param="axis: 2 offset: 35")
    text += layer("Sigmoid", "sigmoid-dsn1", "upscore-dsn1") + layer(
        "Concat", "concat", "upscore-dsn1 upscore-dsn2"
    )
    return text + conv("fuse", "concat", 1, 1, relu=False) + layer("Sigmoid", "sigmoid-fuse", "fuse")


def openpose() -> str:
    text, bottom = (
        expects(1, 3, 18, 22, name="image") + conv("conv4_4_CPM", "image", 6, 3, "pad: 1"),
        "conv4_4_CPM",
    )
    for stage in (1, 2):
        for branch, count in (("L1", 4), ("L2", 3)):
            text += conv(f"Mconv1_stage{stage}_{branch}", bottom, 5, 7, "pad: 3")
            text += conv(
                f"Mconv7_stage{stage}_{branch}", f"Mconv1_stage{stage}_{branch}", count, 1, relu=False
            )
        bottom = f"concat_stage{stage + 1}"
        text += layer(
            "Concat",
            bottom,
            f"Mconv7_stage{stage}_L1 Mconv7_stage{stage}_L2 conv4_4_CPM",
            concat_param="axis: 1",
        )
    return text


def generator() -> str:
    text = expects(4, 6, name="feat") + fc("defc7", "feat", 10, relu=False)
    text += layer("ReLU", "relu_defc7", "defc7", "defc7", relu_param="negative_slope: 0.3") + fc(
        "defc5", "defc7", 18, relu=False
    )
    text += layer("Reshape", "reshape", "defc5", reshape_param="shape { dim: 4 dim: 2 dim: 3 dim: 3 }")
    text += layer(
        "Deconvolution",
        "deconv5",
        "reshape",
        convolution_param="num_output: 4 kernel_size: 4 stride: 2 pad: 1",
    )
    text += layer("ELU", "elu", "deconv5", "deconv5", elu_param="alpha: 0.5") + layer(
        "TanH", "image", "deconv5"
    )
    return text


def captioning() -> str:
    text = (
        expects(3, 2, name="cont_sentence")
        + expects(3, 2, name="input_sentence")
        + expects(2, 5, name="image_features")
    )
    text += layer(
        "Embed", "embedding", "input_sentence", embed_param="num_output: 4 input_dim: 7 bias_term: false"
    )
    text += layer("LSTM", "lstm1", "embedding cont_sentence", recurrent_param="num_output: 3")
    text += layer("LSTM", "lstm2", "lstm1 cont_sentence image_features", recurrent_param="num_output: 4")
    text += layer("InnerProduct", "predict", "lstm2", inner_product_param="num_output: 7 axis: 2")
    return text + layer("Softmax", "probs", "predict", softmax_param="axis: 2")


def siamese() -> str:
    """Two branches with the same parameters, by name, on the two halves of one input."""
    text = expects(2, 2, 14, 14, name="pair") + layer(
        "Slice", "slice", "pair", "data data_p", slice_param="slice_dim: 1 slice_point: 1"
    )
    for end in ("", "_p"):
        shared = 'param { name: "conv1_w" } param { name: "conv1_b" }'
        text += layer(
            "Convolution",
            f"conv1{end}",
            f"data{end}",
            convolution_param="num_output: 4 kernel_size: 5",
            raw=shared,
        )
        shared = 'param { name: "ip_w" } param { name: "ip_b" }'
        text += layer(
            "InnerProduct", f"feat{end}", f"conv1{end}", inner_product_param="num_output: 3", raw=shared
        )
    return text + layer("Eltwise", "distance", "feat feat_p", eltwise_param="coeff: 1 coeff: -1")


def odds_and_ends() -> str:
    """The layers that no famous network has all of."""
    text = expects(2, 4, 6, 7) + layer("MVN", "mvn", "data", mvn_param="across_channels: true")
    text += layer("PReLU", "prelu", "mvn") + layer(
        "PReLU", "prelu1", "prelu", prelu_param="channel_shared: true"
    )
    text += layer("Power", "power", "prelu1", power_param="power: 2 scale: 0.5 shift: 1")
    text += layer("Slice", "slice", "power", "s1 s2 s3", slice_param="axis: 1 slice_point: 1 slice_point: 3")
    text += layer("Tile", "tile", "s1", tile_param="axis: 1 tiles: 2") + layer(
        "Eltwise", "most", "tile s2", eltwise_param="operation: MAX"
    )
    text += layer("Eltwise", "times", "tile s2", eltwise_param="operation: PROD") + layer(
        "AbsVal", "abs", "s3"
    )
    text += layer("Reduction", "mean", "most", reduction_param="operation: MEAN axis: 1 coeff: 2")
    text += layer("Reduction", "sum", "times", reduction_param="operation: ASUM")
    text += layer("ArgMax", "best", "data", argmax_param="top_k: 3 out_max_val: true")
    text += layer("ArgMax", "where", "data", argmax_param="axis: 1") + layer("Bias", "bias", "most")
    text += layer("Pooling", "pool", "data", "pool mask", pooling_param="kernel_size: 3 stride: 2 pad: 1")
    text += layer(
        "Pooling",
        "wide",
        "data",
        pooling_param="pool: AVE kernel_h: 2 kernel_w: 5 stride_h: 3 stride_w: 2 pad_h: 1 pad_w: 4",
    )
    text += layer(
        "LRN", "within", "data", lrn_param="norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2 beta: 0.5"
    )
    text += layer(
        "Convolution", "twice", "most times", "one two", convolution_param="num_output: 2 kernel_size: 3"
    )
    text += layer("InnerProduct", "turned", "data", inner_product_param="num_output: 5 transpose: true")
    text += layer("Scale", "all", "turned", scale_param="num_axes: -1 bias_term: true")
    text += layer("Scale", "by", "most times", scale_param="axis: 0 bias_term: true")
    return text + layer("Flatten", "flat", "data", flatten_param="axis: 2")


ZOO: dict[str, Made] = {
    made.__name__: made
    for made in (
        caffenet, alexnet, vgg, vgg_cnn_s, nin, resnet, googlenet, mobilenet, densenet, fcn, deeplab, colorization,
        squeezenet, hed, openpose, generator, captioning, siamese, odds_and_ends,
    )
}  # fmt: skip
FIRST_GENERATION = ("caffenet", "alexnet", "googlenet")
SECOND_GENERATION = ("caffenet", "vgg", "vgg_cnn_s", "nin", "googlenet", "siamese", "squeezenet")
