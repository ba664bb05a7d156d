"""A detector's boxes
==================

Where a detector finds something, and how much it scores. This one was made by hand, and finds what is more blue than
green, in boxes of 48 pixels. `convscope.boxes`.
"""

import torch

import convscope


class FindsBlue(torch.nn.Module):
    def forward(self, image):
        means = torch.nn.functional.avg_pool2d(image, 48, 8)
        blue = (means[:, 2] - means[:, 1]).flatten(1)
        score = (8 * blue - 0.4).clamp(0, 1)
        scores = torch.stack([1 - score, score], 2)
        rows, columns = means.shape[2:]
        top, left = (torch.arange(count) * 8.0 for count in (rows, columns))
        top, left = top[:, None].expand(rows, columns), left[None].expand(rows, columns)
        corners = torch.stack([left, top, left + 48, top + 48], -1).reshape(1, -1, 4) / 320
        return scores, corners.expand(len(image), -1, -1)


network = convscope.open_network(
    FindsBlue(), input_shape=(1, 3, 320, 320), labels=["nothing", "blue"], mean=0, input_scale=1
)
picture = convscope.boxes(network, "astronaut")
