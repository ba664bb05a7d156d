"""Channel by channel
==================

What in the picture excites each channel of a layer. `convscope.channel_gradients`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.channel_gradients(network, "chelsea", "mixed3a", channels=12)
