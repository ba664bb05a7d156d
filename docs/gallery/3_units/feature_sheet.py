"""A whole layer
=============

What each channel of a layer wants to see, on one sheet. `convscope.feature_sheet`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.feature_sheet(network, "mixed3a_3x3", channels=16, size=48, steps=32, columns=8)
