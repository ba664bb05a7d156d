"""A caricature of a photograph
============================

What a layer answers to the photograph, exaggerated: each place painted with what the network found there.
`convscope.objectives`.
"""

import convscope
from convscope import objectives

network = convscope.open_network("builtin", size=128)
answer = network.activations(network.preprocess("coffee"), "mixed4a")["mixed4a"]
exaggerated = objectives.caricature("mixed4a", answer, what="coffee")
(picture,) = convscope.feature_visualization(network, exaggerated, size=128, steps=128)
