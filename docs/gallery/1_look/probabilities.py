"""Every class
===========

The probability of every class, the peaks with their names: `convscope.probabilities`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.probabilities(network, "coffee")
