"""A segmentation
==============

What a network says of each place, in colors over the photograph. This one was made by hand, and tells dark, middle
and bright apart. `convscope.segmentation`.
"""

import torch

import convscope

shades = torch.nn.Conv2d(3, 3, 1)  # 0, brightness - 0.25, twice the brightness - 0.8: the largest counts
with torch.no_grad():
    shades.weight.copy_(torch.tensor([0.0, 1.0, 2.0])[:, None, None, None] / 3)
    shades.bias.copy_(torch.tensor([0.0, -0.25, -0.8]))
network = convscope.open_network(
    torch.nn.Sequential(shades),
    input_shape=(1, 3, 120, 160),
    labels=["dark", "middle", "bright"],
    mean=0,
    input_scale=1,
)
picture = convscope.segmentation(network, "astronaut")
