"""A transformer's tokens
======================

Alike tokens in like colors, laid back over the picture they were cut from, and how much each is like the class's. This
layer was made by hand: a token is the colors of its 8 × 8 pixels and how they change. `convscope.token_maps`.
"""

import torch

import convscope


class ColorsAndChanges(torch.nn.Module):
    def forward(self, image):
        colors = torch.nn.functional.avg_pool2d(image, 8)
        changes = torch.nn.functional.avg_pool2d(image**2, 8) - colors**2
        tokens = torch.cat([colors, 4 * changes], 1).flatten(2).transpose(1, 2)
        red = torch.tensor([[[1.0, 0.3, 0.0, 0.0, 0.0, 0.0]]])  # the token of the class
        return torch.cat([red.expand(len(image), 1, 6), tokens], 1)


network = convscope.open_network(ColorsAndChanges(), input_shape=(1, 3, 160, 160), mean=0, input_scale=1)
picture = convscope.token_maps(network, "astronaut", network.outputs[0].value)
