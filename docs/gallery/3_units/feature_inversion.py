"""What a layer keeps of a photograph
==================================

A picture, made from noise, to which the layer answers as it does to the photograph: what is not in it, the layer does
not tell. `convscope.objectives`.
"""

import convscope
from convscope import objectives

network = convscope.open_network("builtin", size=128)
answer = network.activations(network.preprocess("chelsea"), "mixed3a")["mixed3a"]
kept = objectives.like("mixed3a", answer, what="chelsea")
(picture,) = convscope.feature_visualization(network, kept, size=128, steps=128)
