"""DeepLIFT
========

Contributions by differences from a picture of nothing, in one run. `convscope.deep_lift`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.deep_lift(network, "coffee", "espresso")
