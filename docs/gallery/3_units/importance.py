"""What each unit is worth
=======================

What a class loses where a unit answers 0, one at a time. `convscope.importance`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.importance(network, "mixed5a", "coffee", "espresso")
