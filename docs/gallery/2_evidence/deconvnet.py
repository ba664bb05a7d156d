"""Deconvnet
=========

What a network turned round reconstructs from the answer. `convscope.deconvnet`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.deconvnet(network, "coffee", "espresso")
