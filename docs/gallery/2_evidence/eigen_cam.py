"""Eigen-CAM
=========

What a layer answers to most, whatever the class. `convscope.eigen_cam`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.eigen_cam(network, "coffee", "espresso")
