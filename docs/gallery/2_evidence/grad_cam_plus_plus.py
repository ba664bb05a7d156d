"""Grad-CAM++
==========

The same with positive gradients, so that each of several objects counts. `convscope.grad_cam_plus_plus`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.grad_cam_plus_plus(network, "coffee", "espresso")
