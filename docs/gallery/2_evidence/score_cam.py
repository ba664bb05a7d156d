"""Score-CAM
=========

Channels as masks of the picture, weighted by the score behind each; no gradients. `convscope.score_cam`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.score_cam(network, "coffee", "espresso")
