"""Deeper filters
==============

A row a filter, a tile for each channel that it reads: red adds, blue takes away. `convscope.filters`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.filters(network, "mixed3a_3x3", channels=12)
