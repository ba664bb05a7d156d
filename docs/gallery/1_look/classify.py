"""What it says
============

The most probable classes of a photograph, as bars: `convscope.predictions`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.predictions(network, "coffee")
