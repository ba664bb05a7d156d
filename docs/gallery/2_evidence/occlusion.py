"""Occlusion
=========

What the score loses where the picture is covered: the network itself is asked. `convscope.occlusion`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.occlusion(network, "coffee", "espresso")
