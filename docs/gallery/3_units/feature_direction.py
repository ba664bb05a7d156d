"""Two channels at once
====================

Objectives add, subtract and multiply: one channel without what excites another. `convscope.objectives`.
"""

import convscope
from convscope import objectives

network = convscope.open_network("builtin")
mixed = objectives.channel("mixed4a", 7) - 0.5 * objectives.channel("mixed4a", 42)
(picture,) = convscope.feature_visualization(network, mixed, size=128, steps=64)
