"""What a class wants to see
=========================

A picture made from noise, changed until the network is as sure as it can be that it is a monarch.
`convscope.feature_visualization`.
"""

import convscope

network = convscope.open_network("builtin")
(picture,) = convscope.feature_visualization(network, "prob:monarch", size=128, steps=64)
