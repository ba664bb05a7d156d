"""Gradient times input
====================

Each pixel's contribution, to first order. `convscope.gradient_times_input`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.gradient_times_input(network, "coffee", "espresso")
