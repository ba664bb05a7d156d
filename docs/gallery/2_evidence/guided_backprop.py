"""Guided backpropagation
======================

Crisp lines, to be taken with care: they hardly depend on what the network has learned. `convscope.guided_backprop`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.guided_backprop(network, "coffee", "espresso")
