"""Extremal perturbation
=====================

Which part of the picture is enough for the answer. `convscope.extremal_perturbation`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.extremal_perturbation(network, "coffee", "espresso", steps=60)
