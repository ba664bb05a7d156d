"""Ablation-CAM
============

Channels weighted by what the score loses without them; no gradients. `convscope.ablation_cam`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.ablation_cam(network, "coffee", "espresso")
