"""What the tests of pycaffe's interface share."""

import shutil

import matplotlib
import pytest
from caffenet import random_weights, save_first_generation, save_today
from skimage import data, io

matplotlib.use("Agg")


@pytest.fixture(scope="session")
def caffe_root(shared_data, tmp_path_factory):
    """A folder laid out as Caffe's repository, with a trailing slash; CaffeNet's weights are random, pictures real."""
    root = tmp_path_factory.mktemp("caffe")
    folders = {
        "models/bvlc_reference_caffenet": ["caffe/old_formats/bvlc_reference_caffenet_deploy.prototxt"],
        "models/bvlc_googlenet": [
            "caffe/bvlc_googlenet/deploy.prototxt",
            "caffe/bvlc_googlenet/bvlc_googlenet.caffemodel",
        ],
        "python/caffe/imagenet": ["caffe/means/ilsvrc_2012_mean.npy"],
        "data/ilsvrc12": ["labels/synset_words.txt"],
        "examples/images": ["pictures/cat.jpg", "pictures/cat_gray.jpg"],
        "examples/filter_visualization": [],
        "examples/net_surgery": [
            "caffe/old_formats/conv.prototxt",
            "caffe/old_formats/bvlc_caffenet_full_conv.prototxt",
        ],
    }
    for folder, files in folders.items():
        (root / folder).mkdir(parents=True)
        for file in files:
            shutil.copy(shared_data / file, root / folder)
    caffenet = root / "models/bvlc_reference_caffenet"
    (caffenet / "bvlc_reference_caffenet_deploy.prototxt").rename(caffenet / "deploy.prototxt")
    shutil.copy(
        shared_data / "caffe/old_formats/imagenet_deploy_v0.prototxt", root / "models/imagenet.prototxt"
    )
    shutil.copy(shared_data / "caffe/means/ilsvrc_2012_mean.npy", root / "models")
    weights = random_weights()
    save_first_generation(weights, root / "models/caffe_reference_imagenet_model")
    save_today(weights, caffenet / "bvlc_reference_caffenet.caffemodel")
    io.imsave(root / "examples/filter_visualization/lena.png", data.astronaut(), check_contrast=False)
    return f"{root}/"
