"""What a network says about a picture: its most probable classes, and the probability of every one.

The bar chart of Krizhevsky et al. (2012), fig. 4, and the probability plot of Caffe's filter visualization notebook.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from convscope.errors import InputError
from convscope.looking.answers import recorded_value
from convscope.network.class_head import most_probable
from convscope.network.network import Network
from convscope.pictures.photograph import InputLike
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.style import ThemeName
from convscope.presentation.wording import title_of


@dataclass(frozen=True)
class Prediction:
    """One class: its label, its probability (0 to 1) and its address (``prob:281``)."""

    label: str
    probability: float
    address: str


def classify(network: Network, picture: InputLike, *, top: int = 5) -> list[Prediction]:
    """Return the `top` most probable classes of a picture, the best first; equal ones in the classes' order.

    >>> classify(network, "cat.jpg")[0]
    Prediction(label='tiger cat', probability=0.3758..., address='prob:282')
    """
    output, best = network.class_output, most_probable(_probabilities(network, picture), _checked(top))
    return [
        Prediction(network.class_label(index), probability, f"{output}:{index}")
        for index, probability in best
    ]


def _probabilities(network: Network, picture: InputLike) -> Tensor:
    """Return the probability of every class; where many layers are shown, from the one pass that is made for them."""
    answer = recorded_value(network, picture, network.class_output)
    if answer is None or not answer.isfinite().all():  # which is told with the layer where it begins
        return network.probabilities(picture)
    return network.probabilities_of(answer)


def _checked(top: int) -> int:
    if top < 1:
        raise InputError(f"top is how many classes to name, at least 1; not {top}")
    return top


@recipe_function("predictions")
def predictions(
    network: Network, picture: InputLike, *, top: int = 5, theme: ThemeName = "light", bare: bool = False
) -> Picture:
    """Show the most probable classes of a picture as bars, the best on top.

    `top` is how many are named. The title names network and photograph; `bare` leaves it out.

    InputError for a `top` below 1, and for a network without classes.

    >>> convscope.predictions(network, "coffee").save("predictions.png")
    """
    from convscope.presentation.bar_charts import prediction_chart  # and matplotlib, for whoever draws

    best = classify(network, picture, top=top)
    title = "" if bare else title_of("", network, picture)
    chart = prediction_chart([(one.label, one.probability) for one in best], title=title, theme=theme)
    caption = f"What {network.name or 'the network'} says: {chart.caption}. {_averaged(network)}"
    return replace(chart, caption=caption.strip())


@recipe_function("probabilities")
def probabilities(
    network: Network, picture: InputLike, *, top: int = 5, theme: ThemeName = "light", bare: bool = False
) -> Picture:
    """Show the probability of every class in the classes' order, the highest named.

    `top` is how many are named. The title names network and photograph; `bare` leaves it out.

    InputError for a `top` below 1, and for a network without classes.

    >>> convscope.probabilities(network, "coffee").save("probabilities.png")
    """
    from convscope.presentation.value_plots import probability_plot

    top, values = _checked(top), _probabilities(network, picture).cpu().numpy()
    labels = [network.class_label(index) for index in range(len(values))] if network.labels else None
    title = "" if bare else title_of("", network, picture)
    plot = probability_plot(values, labels, top=min(top, len(values)), title=title, theme=theme)
    caption = f"{plot.caption[0].upper()}{plot.caption[1:]}. {_averaged(network)}"
    return replace(plot, caption=caption.strip())


def _averaged(network: Network) -> str:
    spec = network.input_spec
    return "Averaged over 10 crops." if spec is not None and spec.crops == 10 else ""
