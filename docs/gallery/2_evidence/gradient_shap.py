"""GradientSHAP
============

The same on average over several pictures of nothing. `convscope.gradient_shap`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.gradient_shap(network, "coffee", "espresso")
