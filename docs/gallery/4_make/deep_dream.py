"""A dream
=======

What the network sees a trace of in the photograph, made more. `convscope.deep_dream`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.deep_dream(network, "coffee", size=200)
