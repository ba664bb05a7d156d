"""HiResCAM
========

Each answer times its own gradient, not an average: for networks with fully-connected layers. `convscope.hires_cam`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.hires_cam(network, "coffee", "espresso")
