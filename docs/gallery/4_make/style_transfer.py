"""In the style of
===============

A photograph, painted with the textures of another picture; here of what a class wants to see.
`convscope.style_transfer`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.style_transfer(network, "chelsea", "prob:monarch", size=192, steps=20, style_weight=2.0)
