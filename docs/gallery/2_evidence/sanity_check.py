"""A sanity check
==============

The same map while the weights are shuffled, from the last layer to the first: one that shows what was learned has
to change. `convscope.sanity_check`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.sanity_check(network, "coffee", "espresso", method="saliency")
