"""SmoothGrad
==========

The gradient, averaged over noisy copies of the picture. `convscope.smoothgrad`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.smoothgrad(network, "coffee", "espresso")
