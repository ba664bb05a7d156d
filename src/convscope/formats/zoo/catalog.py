"""The classics: where their publishers keep them, how big they are, and the checksums that go with them.

Sources of the checksums: the ``sha1`` lines of Caffe's own model readmes (GoogLeNet, CaffeNet, AlexNet), the lists that
OpenCV's and MXNet's tests keep of the VGG group's and DeepScale's files, TensorFlow's own build for Google's. The
SHA-256 of the short texts was taken from their repositories; of the large weights nobody publishes one.
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
    "https://raw.githubusercontent.com/DeepScale/SqueezeNet/b5c3f1a23713c8b3fd7b801d229f6b04c64374a5"
)
_GOOGLE = "https://storage.googleapis.com/download.tensorflow.org/models"


@dataclass(frozen=True)
class Download:
    """One file of a network: its name in the cache, its address, its size in megabytes and its SHA-1 or SHA-256."""

    name: str
    address: str
    megabytes: float
    sha1: str | None = None
    sha256: str | None = None


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
    kind = "sha256" if len(checksum) == 64 else "sha1"
    deploy = Download("deploy.prototxt", text, 0.1, **{kind: checksum})
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
                "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
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
                "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
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
                "9116a64c0fbe4459d18f4bb6b56d647b63920377",
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
                "3397f026368a45ae236403ccc81cfcbe8ebe1bd0",
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
                "9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24",
            ),
            checksum="2734e5500f1445bd7c9fee540c99f522485247bd",
            **_VGG,
        ),
        "vgg19": _caffe(
            "VGG19, the classic of style transfer",
            f"{_GIST}/3785162f95cd2d5fee77/raw/f02f8769e64494bcd3d7e97d5d747ac275825721/VGG_ILSVRC_19_layers_deploy.prototxt",
            Download(
                "VGG_ILSVRC_19_layers.caffemodel",
                f"{_OXFORD}/VGG_ILSVRC_19_layers.caffemodel",
                575,
                "239785e7862442717d831f682bb824055e51e9ba",
            ),
            checksum="132d2f60b3d3b1c2bb9d3fdb0c8931a44f89e2ae",
            **_VGG,
        ),
        "inception5h": Classic(
            "Google's Inception of 2015, as TensorFlow's first dreams used it",
            (
                Download(
                    "inception5h.zip",
                    f"{_GOOGLE}/inception5h.zip",
                    50,
                    "e3b84c7e240ce8025b30d868f5e840b4bba9761d",
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
