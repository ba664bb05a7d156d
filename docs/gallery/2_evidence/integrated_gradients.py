"""Integrated gradients
====================

Gradients summed on the way from a picture of nothing: what adds up to the answer. `convscope.integrated_gradients`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.integrated_gradients(network, "coffee", "espresso")
