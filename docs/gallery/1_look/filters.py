"""What it is made of
==================

The 48 filters of the first layer, each on a scale of its own: edges, stripes and spots of color.
`convscope.filters`.
"""

import convscope

network = convscope.open_network("builtin")
picture = convscope.filters(network, "conv1", scale="tile", tile_size=56)
