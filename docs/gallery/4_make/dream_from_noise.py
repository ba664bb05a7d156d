"""A dream from noise
==================

Without a photograph: what a class makes of noise, from large forms to small ones. `convscope.deep_dream`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.deep_dream(network, None, "prob:goldfish", size=200)
