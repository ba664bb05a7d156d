"""Grad-CAM
========

Where in a layer the evidence for a class lies, coarse and reliable: start here. `convscope.grad_cam`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.grad_cam(network, "coffee", "espresso")
