"""Finer-CAM
=========

What tells the class from those most like it. `convscope.finer_cam`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.finer_cam(network, "coffee", "espresso")
