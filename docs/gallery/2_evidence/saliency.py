"""Saliency
========

Which pixels the answer depends on: the gradient itself, noisy as it is. `convscope.saliency`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.saliency(network, "coffee", "espresso")
