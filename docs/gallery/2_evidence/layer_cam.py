"""LayerCAM
========

Finer, in an earlier layer. `convscope.layer_cam`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.layer_cam(network, "coffee", "espresso", layer="mixed4a")
