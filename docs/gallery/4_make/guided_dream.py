"""A guided dream
==============

Into one photograph, more of what the network finds in another: here the forms of a cup and its saucer, in a cat.
`convscope.deep_dream`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.deep_dream(network, "chelsea", "mixed4a", guide="coffee", size=240, steps=5)
