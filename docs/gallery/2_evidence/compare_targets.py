"""Classes on one scale
====================

One method's maps of several classes, side by side: what is bright for one is as much for every other.
`convscope.compare_targets`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.compare_targets(network, "coffee", ["espresso", "plate", "ladybug"])
