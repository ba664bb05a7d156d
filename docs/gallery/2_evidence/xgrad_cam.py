"""XGrad-CAM
=========

Gradients averaged where the channel answers. `convscope.xgrad_cam`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.xgrad_cam(network, "coffee", "espresso")
