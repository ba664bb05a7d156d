"""How the answer came about
=========================

The class, the channels that it came from, and the channels behind those, each with what it wants to see and its
share. `convscope.relevance_tree`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.relevance_tree(network, "coffee", "espresso", channels=2, steps=24)
