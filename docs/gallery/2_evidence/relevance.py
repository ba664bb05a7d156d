"""Relevance (LRP)
===============

The answer, shared out layer by layer to the pixels. `convscope.relevance`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.relevance(network, "coffee", "espresso")
