"""A layer of numbers
==================

The values of a layer that has one number a channel, the peaks named, and their histogram: `convscope.values`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.values(network, "coffee", "head")
