"""A dream of a class
==================

More of one class: cups of coffee, everywhere. `convscope.deep_dream`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.deep_dream(network, "coffee", "prob:espresso", size=160)
