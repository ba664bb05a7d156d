"""What it finds
=============

The answers of a layer's strongest channels to a cat: bright is where a channel found what it looks for.
`convscope.activations`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.activations(
    network, "chelsea", "conv1", channels=16, order="strongest", palette="magma", columns=8
)
