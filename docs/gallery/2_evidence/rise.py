"""RISE
====

Occlusion by random masks, many at a time. `convscope.rise`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.rise(network, "coffee", "espresso", samples=512)
