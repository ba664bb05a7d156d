"""The classics: where their publishers keep them, how big they are, and the checksums that go with them.

Sources of the checksums: the lists that Intel's Open Model Zoo kept of the same addresses until 2021 (later ones have
SHA-384), TensorFlow's own build for Google's; that of CaffeNet's text was taken from its repository, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_CAFFE = "https://raw.githubusercontent.com/BVLC/caffe/9b891540183ddc834a02b2bd81b31afae71b2153/models"
_BERKELEY = "https://dl.caffe.berkeleyvision.org"
_OXFORD = "https://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe"
_GIST = "https://gist.githubusercontent.com/ksimonyan"
_SQUEEZENET = (
    "https://raw.githubusercontent.com/DeepScale/SqueezeNet/a47b6f13d30985279789d08053d37013d67d131b"
)
_GOOGLE = "https://storage.googleapis.com/download.tensorflow.org/models"


@dataclass(frozen=True)
class Download:
    """One file of a network: its name in the cache, its address, its size in megabytes and its SHA-256."""

    name: str
    address: str
    megabytes: float
    sha256: str


@dataclass(frozen=True)
class Classic:
    """A network of the catalog: its files, the one to open, the weights beside it, and what it expects.

    `member` is the file to take out of a downloaded archive, with its SHA-256.
    """

    about: str
    files: tuple[Download, ...]
    opened: str
    weights: str | None = None
    member: str | None = None
    member_sha256: str | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def megabytes(self) -> float:
        """How much there is to download."""
        return sum(file.megabytes for file in self.files)


def _caffe(about: str, text: str, weights: Download, checksum: str, **preprocessing: Any) -> Classic:
    deploy = Download("deploy.prototxt", text, 0.1, checksum)
    return Classic(about, (deploy, weights), deploy.name, weights.name, preprocessing=preprocessing)


_IMAGENET: dict[str, Any] = {"channel_order": "BGR", "mean": (104.0, 117.0, 123.0)}
_VGG: dict[str, Any] = {"channel_order": "BGR", "mean": (103.939, 116.779, 123.68)}

CATALOG: Mapping[str, Classic] = MappingProxyType(
    {
        "bvlc_googlenet": _caffe(
            "BVLC GoogLeNet, the network of the 2015 dreams",
            f"{_CAFFE}/bvlc_googlenet/deploy.prototxt",
            Download(
                "bvlc_googlenet.caffemodel",
                f"{_BERKELEY}/bvlc_googlenet.caffemodel",
                54,
                "6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad",
            ),
            checksum="fa36cd4112a3240a29600a5aa35333f31bec33daa1a6085b0af308a9f50f0c50",
            **_IMAGENET,
        ),
        "bvlc_reference_caffenet": _caffe(
            "CaffeNet, Caffe's reference network",
            f"{_CAFFE}/bvlc_reference_caffenet/deploy.prototxt",
            Download(
                "bvlc_reference_caffenet.caffemodel",
                f"{_BERKELEY}/bvlc_reference_caffenet.caffemodel",
                244,
                "472d4a06035497b180636d8a82667129960371375bd10fcb6df5c6c7631f25e0",
            ),
            checksum="922248a4d2f6aac1cc8e7e5dbd996cc2ecd3356480d67c198f6cf96b12311a04",
            **_IMAGENET,
        ),
        "bvlc_alexnet": _caffe(
            "AlexNet as Berkeley trained it",
            f"{_CAFFE}/bvlc_alexnet/deploy.prototxt",
            Download(
                "bvlc_alexnet.caffemodel",
                f"{_BERKELEY}/bvlc_alexnet.caffemodel",
                244,
                "4bff209a9837298157915ef50a4831a59636a6ca1a6b8ebacd990c3a5f3053e0",
            ),
            checksum="b564ba76416b4ac1e062c6621cbd80d9c19304ba152d9d791c75870f3182c4fa",
            **_IMAGENET,
        ),
        "squeezenet_v1.1": _caffe(
            "SqueezeNet v1.1, AlexNet's answers from 5 MB",
            f"{_SQUEEZENET}/SqueezeNet_v1.1/deploy.prototxt",
            Download(
                "squeezenet_v1.1.caffemodel",
                f"{_SQUEEZENET}/SqueezeNet_v1.1/squeezenet_v1.1.caffemodel",
                5,
                "72b912ace512e8621f8ff168a7d72af55910d3c7c9445af8dfbff4c2ee960142",
            ),
            checksum="d041bfb2ab4b32fda4ff6c6966684132f2924e329916aa5bfe9285c6b23e3d1c",
            **_IMAGENET,
        ),
        "vgg16": _caffe(
            "VGG16 of Simonyan and Zisserman",
            f"{_GIST}/211839e770f7b538e2d8/raw/0067c9b32f60362c74f4c445a080beed06b07eb3/VGG_ILSVRC_16_layers_deploy.prototxt",
            Download(
                "VGG_ILSVRC_16_layers.caffemodel",
                f"{_OXFORD}/VGG_ILSVRC_16_layers.caffemodel",
                553,
                "a6196bc498e45ea4cb2637114ae8db9410cf1556fd60a55ae93272371beba197",
            ),
            checksum="9fdb04e3f5b9224af473e82441b05b76368dfa6dc841e80655303823e9770962",
            **_VGG,
        ),
        "vgg19": _caffe(
            "VGG19, the classic of style transfer",
            f"{_GIST}/3785162f95cd2d5fee77/raw/f02f8769e64494bcd3d7e97d5d747ac275825721/VGG_ILSVRC_19_layers_deploy.prototxt",
            Download(
                "VGG_ILSVRC_19_layers.caffemodel",
                f"{_OXFORD}/VGG_ILSVRC_19_layers.caffemodel",
                575,
                "31b4c627c40c6ee151325f079b7ac557fddbd1f79af932888796127a4f4f6954",
            ),
            checksum="e7c9da46d837dd91049ddab46a57933a488e3d8a42162cdef51ab1edeff99725",
            **_VGG,
        ),
        "inception5h": Classic(
            "Google's Inception of 2015, as TensorFlow's first dreams used it",
            (
                Download(
                    "inception5h.zip",
                    f"{_GOOGLE}/inception5h.zip",
                    50,
                    "d13569f6a98159de37e92e9c8ec4dae8f674fbf475f69fe6199b514f756d4364",
                ),
            ),
            "tensorflow_inception_graph.pb",
            member="tensorflow_inception_graph.pb",
            member_sha256="a39b08b826c9d5a5532ff424c03a3a11a202967544e389aca4b06c2bd8aef63f",
            preprocessing=MappingProxyType({"channel_order": "RGB", "mean": (117.0, 117.0, 117.0)}),
        ),
    }
)
