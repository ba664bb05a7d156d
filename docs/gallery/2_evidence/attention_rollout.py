"""Attention rollout
=================

Which places a transformer's answer is mixed from, whatever the class. This one was made by hand: the token of the
class attends to what is red and not green. `convscope.attention_rollout`.
"""

import torch

import convscope


class LooksAtRed(torch.nn.Module):
    def forward(self, image):
        colors = (
            torch.nn.functional.avg_pool2d(image, 8).flatten(2).transpose(1, 2)
        )  # a token for each 8 x 8 pixels
        tokens = torch.cat([torch.zeros_like(colors[:, :1]), colors], 1)  # the first is the class's
        redness = 12 * (tokens[..., 0] - tokens[..., 1])
        attention = redness[:, None].expand(-1, tokens.shape[1], -1).softmax(-1)
        return (attention @ tokens)[:, 0]


labels = ["red", "green", "blue"]
network = convscope.open_network(
    LooksAtRed(), input_shape=(1, 3, 160, 160), labels=labels, mean=0, input_scale=1
)
picture = convscope.attention_rollout(network, "astronaut")
