"""Teach a trained network the classes of a folder of pictures.

Donahue et al., *DeCAF: a deep convolutional activation feature for generic visual recognition* (2013); the recipe of
Caffe's own fine-tuning example: a new last layer, learned fast, on top of layers that learn slowly or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.func import functional_call

from convscope.argument_errors import arguments_in_words
from convscope.errors import InputError, UnknownLayer, did_you_mean
from convscope.network.engine.execution import cut
from convscope.network.network import Network
from convscope.network.shapes import infer_shapes
from convscope.network.surgery import head_of
from convscope.pictures.decoding import picture_endings

OptimizerFactory = Callable[[Iterable[Tensor]], torch.optim.Optimizer]
_STATISTICS = ("mean", "variance", "scale_factor")  # counted, not learned


@dataclass(frozen=True)
class TrainingStep:
    """One step of fine-tuning: the loss and accuracy of its batch before the step, and the network after it."""

    number: int
    of: int
    loss: float
    accuracy: float
    network: Network


@arguments_in_words
def image_folder(folder: str | Path) -> tuple[list[Path], list[int], list[str]]:
    """Return the pictures of a `folder` that has one folder a class: their paths, class numbers and the labels.

    >>> paths, numbers, labels = convscope.image_folder("textures/train/")

    Raises InputError when there are fewer than two classes, or a class without a picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of pictures")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise InputError(
            f"{folder} needs at least two folders of pictures, one a class; found {len(classes)}"
        )
    paths, numbers = [], []
    for number, one in enumerate(classes):
        pictures = sorted(path for path in one.iterdir() if path.suffix.lower() in picture_endings())
        if not pictures:
            inside = any(path.is_dir() for path in one.iterdir())
            hint = f"; its folders may be the classes: give {one}" if inside else " that convscope reads"
            raise InputError(f"{one} is a class here, and has no picture{hint}")
        paths += pictures
        numbers += [number] * len(pictures)
    return paths, numbers, [one.name for one in classes]


@arguments_in_words
def fine_tune(
    network: Network,
    pictures: tuple[Sequence[Path], Sequence[int]],
    *,
    layers: Sequence[str] = (),
    steps: int = 100,
    batch_size: int = 16,
    optimizer: OptimizerFactory | None = None,
    seed: int = 0,
) -> Iterator[TrainingStep]:
    """Train the chosen layers on pictures and their class numbers; each step yields the loss and the network so far.

    `pictures` are paths and class numbers, as `image_folder` gives them; each of `steps` sees `batch_size` of them.
    `layers` are names of layers with parameters, the head alone by default; all others are frozen. Dropout is off
    and pictures are mirrored at random. `optimizer` makes a torch optimizer from the parameters, Adam with a
    learning rate of 0.001 by default.

    UnknownLayer for one of `layers` that learns nothing, PictureError for a picture that cannot be read.

    >>> paths, numbers, labels = convscope.image_folder("textures/train/")
    >>> tuned = convscope.replace_head(network, labels)
    >>> for step in convscope.fine_tune(tuned, (paths, numbers), steps=5):
    ...     loss = step.loss
    >>> step.network.save("textures.convscope")
    """
    paths, numbers = pictures
    scores = _scores(network)
    keys = _learnable(network, layers or [each.name for each in head_of(network)], scores)
    center = network.picture_spec.replace(crops=1)
    learned = {key: network.parameters[key].clone().requires_grad_() for key in keys}
    optimize = (optimizer or (lambda given: torch.optim.Adam(given, lr=1e-3)))(list(learned.values()))
    module = cut(network.graph, [scores])
    buffers: Mapping[str, str] = module.meta["parameters"]
    alone = not _takes_several(network, scores)
    random = torch.Generator().manual_seed(seed)
    for number in range(1, steps + 1):
        batch = torch.randperm(len(paths), generator=random)[:batch_size].tolist()
        input = torch.cat([center.to_tensor(paths[index]) for index in batch]).to(network.device)
        mirrored = torch.rand(len(batch), generator=random).lt(0.5).view(-1, 1, 1, 1).to(input.device)
        input = torch.where(mirrored, input.flip(2 if network.graph.channels_last else 3), input)
        labels = torch.tensor([numbers[index] for index in batch], device=input.device)
        with torch.enable_grad():
            weights = {buffers[key]: value for key, value in learned.items()}
            parts = torch.split(input, 1 if alone else len(input))
            logits = torch.cat([functional_call(module, weights, (part,))[0] for part in parts])
            logits = network.channels_first(scores, logits)
            logits = logits.flatten(2).mean(2) if logits.dim() > 2 else logits
            loss = torch.nn.functional.cross_entropy(logits, labels)
            optimize.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        optimize.step()
        accuracy = (logits.argmax(1) == labels).float().mean()
        now = network.with_parameters({key: value.detach().clone() for key, value in learned.items()})
        yield TrainingStep(number, steps, loss.item(), accuracy.item(), now)


def _scores(network: Network) -> str:
    try:
        return network.class_scores
    except InputError as error:
        answers = ", ".join(map(str, network.outputs))
        raise InputError(
            f"fine-tuning teaches classes of whole pictures, and {network.name} answers {answers}"
        ) from error


def _takes_several(network: Network, scores: str) -> bool:
    """Tell whether pictures go through together: a program that was exported of one picture may take each alone."""
    try:
        infer_shapes(
            network.graph, {name: (2, *shape[1:]) for name, shape in network.graph.inputs.items()}, (scores,)
        )
    except InputError:
        return False
    return True


def _learnable(network: Network, layers: Sequence[str], scores: str) -> list[str]:
    """Return the names of the parameters of these layers that a gradient reaches; UnknownLayer where there are none."""
    owners = {
        operation.name: [key for role, key in operation.parameters.items() if role not in _STATISTICS]
        for operation in network.graph.needed_for([scores])
    }
    owners = {name: keys for name, keys in owners.items() if keys}
    for layer in layers:
        if layer not in owners:
            raise UnknownLayer(
                f"no layer {layer!r} on the way to {scores!r} has parameters to learn.{did_you_mean(layer, owners)}"
            )
    return list(dict.fromkeys(key for layer in layers for key in owners[layer]))
