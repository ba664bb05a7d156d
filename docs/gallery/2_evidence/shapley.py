"""Shapley values
==============

What each cell of a grid contributes, fairly: all of them add up to the answer. `convscope.shapley`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.shapley(network, "coffee", "espresso", samples=8)
