"""What a network says about a picture: its most probable classes, and the probability of every one.

The bar chart of Krizhevsky et al. (2012), fig. 4, and the probability plot of Caffe's filter visualization notebook.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from convscope.errors import InputError
from convscope.network.network import Network
from convscope.picture import Picture
from convscope.presentation.figure import prediction_chart, probability_plot
from convscope.recording import recipe_function


@dataclass(frozen=True)
class Prediction:
    """One class: its label, its probability (0 to 1) and its address (``prob:281``)."""

    label: str
    probability: float
    address: str


def classify(network: Network, picture: Any, *, top: int = 5) -> list[Prediction]:
    """Return the `top` most probable classes of a picture, the best first; equal ones in the classes' order.

    >>> classify(network, "cat.jpg")[0]
    Prediction(label='tiger cat', probability=0.3758..., address='prob:282')
    """
    if top < 1:
        raise InputError(f"top is how many classes to name, at least 1; not {top}")
    probabilities = class_probabilities(network, picture)
    best = np.argsort(-probabilities, kind="stable")[:top]
    output = network.class_output
    return [
        Prediction(class_label(network, int(index)), float(probabilities[index]), f"{output}:{index}")
        for index in best
    ]


@recipe_function("predictions")
def predictions(network: Network, picture: Any, *, top: int = 5, theme: str = "light") -> Picture:
    """Show the most probable classes of a picture as bars, the best on top.

    >>> predictions(network, "cat.jpg").save("predictions.png")
    """
    best = classify(network, picture, top=top)
    chart = prediction_chart([(found.label, found.probability) for found in best], theme=theme)
    caption = f"What {network.name or 'the network'} says: {chart.caption}. {_averaged(network)}"
    return replace(chart, caption=caption.strip())


@recipe_function("probabilities")
def probabilities(network: Network, picture: Any, *, top: int = 5, theme: str = "light") -> Picture:
    """Show the probability of every class in the classes' order, the highest named.

    >>> probabilities(network, "cat.jpg").save("probabilities.png")
    """
    values = class_probabilities(network, picture)
    labels = _labels(network, len(values))
    plot = probability_plot(values, labels, top=min(top, len(values)), theme=theme)
    caption = f"{plot.caption[0].upper()}{plot.caption[1:]}. {_averaged(network)}"
    return replace(plot, caption=caption.strip())


def class_probabilities(network: Network, picture: Any) -> NDArray[np.float64]:
    """Return the probability of every class, (classes,), a distribution to rounding."""
    if isinstance(picture, Tensor):
        raise InputError("classes are those of a picture; give the picture, not the network's input")
    values: NDArray[np.float64] = network.probabilities(picture).cpu().double().numpy()
    if not np.isfinite(values).all():
        raise InputError(f"{network.class_output!r} answers with NaN or infinity to this picture")
    return values.clip(0, 1)


def class_label(network: Network, index: int) -> str:
    """Return a class's label; its number where the network has none for it."""
    labels = network.labels or ()
    return str(labels[index]) if index < len(labels) else f"class {index}"


def _labels(network: Network, count: int) -> list[str] | None:
    return [class_label(network, index) for index in range(count)] if network.labels else None


def _averaged(network: Network) -> str:
    spec = network.input_spec
    return "Averaged over 10 crops." if spec is not None and spec.crops == 10 else ""
