"""Layer by layer
==============

Where in the picture each of some layers looks, glowing. `convscope.layer_gradients`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.layer_gradients(network, "chelsea")
