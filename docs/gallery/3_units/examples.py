"""The photographs that a unit answers to
======================================

The strongest of a few photographs, cropped to what the unit sees. Of a folder of your own, the strongest and weaker
ones. `convscope.examples`.
"""

from skimage import data

import convscope

network = convscope.open_network("builtin")
photographs = [data.chelsea(), data.coffee(), data.astronaut(), data.hubble_deep_field()]
picture = convscope.examples(network, "mixed4c:20", photographs, top=3)
