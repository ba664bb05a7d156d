"""What a picture can be made for: objectives, which add, subtract and multiply.

>>> from convscope import objectives
>>> objectives.channel("mixed4a", 7) - 0.5 * objectives.channel("mixed4a", 8)
Objective('mixed4a:7 - 0.5 × mixed4a:8')
"""

from convscope.optimization.objective import Objective
from convscope.optimization.objectives import (
    alignment,
    caricature,
    channel,
    class_score,
    custom,
    direction,
    diversity,
    interpolation,
    layer,
    like,
    neuron,
    unit,
)

__all__ = [
    "Objective",
    "alignment",
    "caricature",
    "channel",
    "class_score",
    "custom",
    "direction",
    "diversity",
    "interpolation",
    "layer",
    "like",
    "neuron",
    "unit",
]
