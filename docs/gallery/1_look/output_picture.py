"""A picture for an answer
=======================

What a network that makes pictures makes of one, beside what it was given. This one blurs, and was made by hand.
`convscope.output_picture`.
"""

import torch

import convscope

blur = torch.nn.Conv2d(3, 3, 9, padding=4, groups=3, bias=False)
blur.weight = torch.nn.Parameter(torch.full((3, 1, 9, 9), 1 / 81))
network = convscope.open_network(
    torch.nn.Sequential(blur), input_shape=(1, 3, 160, 240), mean=0, input_scale=1
)
picture = convscope.output_picture(network, "coffee")
