"""Guided Grad-CAM
===============

Crisp lines where the evidence lies. `convscope.guided_grad_cam`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.guided_grad_cam(network, "coffee", "espresso")
