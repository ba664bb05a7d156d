"""Opening each format against its owner: seconds, and the memory it takes at its highest.

    python benchmarks/open.py [--runs 5] [--tensorflow PYTHON] [--keras PATH]

Every opening has a process of its own, in which everything is imported before the clock starts; engines take turns and
the table has medians. Memory is the highest resident set, less what the process held before. `PYTHON` is an
interpreter that has TensorFlow, `PATH` a folder with Keras; without them these columns have OpenCV, or nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from memory import growth

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FORMATS = {
    "Caffe": ("caffe/bvlc_googlenet/deploy.prototxt", "caffe/bvlc_googlenet/bvlc_googlenet.caffemodel"),
    "TensorFlow": ("tensorflow/mobilenet_v1_0.25_128/frozen_graph.pb",),
    "Keras": ("keras/fer2013_mini_XCEPTION.119-0.65.hdf5",),
    "ONNX": ("onnx/version-slim-320.onnx",),
    "PyTorch": ("pytorch/cifar_torchvision.pt",),
}
OWNERS = {
    "Caffe": "OpenCV",
    "TensorFlow": "OpenCV",
    "Keras": "Keras",
    "ONNX": "onnxruntime",
    "PyTorch": "torch",
}
Opening = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tensorflow", help="an interpreter that has TensorFlow")
    parser.add_argument("--keras", help="a folder with Keras")
    parser.add_argument("--opening", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.opening:
        print(*measured(*given.opening))
        return
    print("| format | file | convscope | .convscope | its owner |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, files in FORMATS.items():
            print(row(name, [str(DATA / file) for file in files], Path(folder), given), flush=True)


def row(name: str, files: list[str], folder: Path, given: argparse.Namespace) -> str:
    plain = folder / f"{name}.convscope"
    network_of(name, files).save(plain)  # type: ignore[attr-defined]
    owner = "TensorFlow" if name == "TensorFlow" and given.tensorflow else OWNERS[name]
    commands = {
        "convscope": [sys.executable, __file__, "--opening", "convscope", name, *files],
        ".convscope": [sys.executable, __file__, "--opening", "convscope", ".convscope", str(plain)],
        owner: [sys.executable, __file__, "--opening", owner, name, *files],
    }
    if owner == "TensorFlow":
        commands[owner][0] = given.tensorflow
    environment = os.environ | {"PYTHONPATH": given.keras or "", "KERAS_BACKEND": "torch"}
    found: dict[str, list[list[float]]] = {engine: [] for engine in commands}
    for _ in range(given.runs):
        for engine, command in commands.items():
            if engine != "Keras" or given.keras:
                variables = environment if engine == "Keras" else None
                words = subprocess.check_output(command, text=True, env=variables, stderr=subprocess.DEVNULL)
                found[engine].append([float(word) for word in words.split()[-2:]])
    cells = [cell(found[engine]) for engine in commands]
    size = sum(Path(file).stat().st_size for file in files)
    cells[2] = f"{owner}: {cells[2]}"
    return f"| {name} | {Path(files[-1]).name}, {size / 1e6:.1f} MB | " + " | ".join(cells) + " |"


def cell(runs: list[list[float]]) -> str:
    if not runs:
        return "not measured"
    seconds, memory = (median(run[column] for run in runs) for column in (0, 1))
    return f"{seconds * 1e3:.1f} ms, {memory / 1e6:.1f} MB"


def measured(engine: str, name: str, *files: str) -> tuple[float, int]:
    """Return the seconds and the bytes that one opening takes in this process, imports aside."""
    opening = OPENINGS[engine](name, list(files))
    seconds: list[float] = []

    def timed() -> object:
        start = perf_counter()
        kept = opening()
        seconds.append(perf_counter() - start)
        return kept

    taken = growth(timed)
    return seconds[0], taken


def network_of(name: str, files: list[str]) -> object:
    import convscope

    if name == "PyTorch":
        return convscope.open_network(files[0], architecture=cifar_module(), input_shape=(1, 3, 32, 32))
    return convscope.open_network(files[0], weights=files[1] if len(files) > 1 else None)


def with_convscope(name: str, files: list[str]) -> Opening:
    import convscope

    convscope.open_network  # noqa: B018  the import is not the opening
    return lambda: network_of(name, files)


def with_opencv(name: str, files: list[str]) -> Opening:
    import cv2

    read = cv2.dnn.readNetFromCaffe if name == "Caffe" else cv2.dnn.readNetFromTensorflow
    return lambda: read(*files)


def with_tensorflow(name: str, files: list[str]) -> Opening:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    def opening() -> object:
        definition = tf.compat.v1.GraphDef()
        definition.ParseFromString(Path(files[0]).read_bytes())
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(definition, name="")
        return graph

    return opening


def with_keras(name: str, files: list[str]) -> Opening:
    import keras

    return lambda: keras.models.load_model(files[0], compile=False)


def with_onnxruntime(name: str, files: list[str]) -> Opening:
    import onnxruntime

    return lambda: onnxruntime.InferenceSession(files[0])


def with_torch(name: str, files: list[str]) -> Opening:
    import torch

    def opening() -> object:
        module = cifar_module()
        module.load_state_dict(torch.load(files[0], weights_only=True))
        return module

    return opening


OPENINGS = {
    "convscope": with_convscope,
    "OpenCV": with_opencv,
    "TensorFlow": with_tensorflow,
    "Keras": with_keras,
    "onnxruntime": with_onnxruntime,
    "torch": with_torch,
}


def cifar_module() -> object:
    """Return the network of captum's CIFAR-10 tutorial."""
    import torch.nn.functional as F  # noqa: N812
    from torch import Tensor, nn

    class Cifar(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2, self.pool = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2, 2)
            self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = self.pool(F.relu(self.conv1(x)))
            x = self.pool(F.relu(self.conv2(x))).flatten(1)
            return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))  # type: ignore[no-any-return]

    return Cifar()


if __name__ == "__main__":
    main()
