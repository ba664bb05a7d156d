"""Other ways to make a picture of what a channel wants to see, as generators of the seconds each step took.

lucent is the package itself (`pip install --no-deps torch-lucent kornia==0.4.1`, and what these import). The loops of
flashtorch and Horama are written down from their sources: flashtorch.activmax.GradientAscent, horama.fourier.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from clock import seconds
from torch import Tensor, nn

from convscope.formats.pytorch.libraries import ready_torchvision

Seconds = Iterator[float]


def lucent(module: nn.Module, block: str, channel: int, size: int) -> Seconds:
    """Its default settings: `render_vis` of `param.image(size)`."""
    ready_torchvision()  # which lucent imports, and whose compiled part may not fit torch
    from lucent.optvis import param, render

    while True:
        times: list[float] = []

        def objective(hook, times=times):
            times.append(seconds())
            return -hook(block.replace(".", "_"))[:, channel].mean()

        render.render_vis(
            module,
            objective,
            param_f=lambda: param.image(size),
            thresholds=(4,),
            show_image=False,
            progress=False,
        )
        for each in module.modules():
            each._forward_hooks.clear()  # which it leaves behind, one more for every picture
        yield from (later - earlier for earlier, later in pairwise(times))


def flashtorch(module: nn.Module, block: str, channel: int, size: int) -> Seconds:
    """Gradient ascent on the input, the gradient divided by its RMS."""
    found: list[Tensor] = []
    hook = module.get_submodule(block).register_forward_hook(
        lambda _module, _inputs, output: found.append(output[:, channel].mean())
    )
    features = module.get_submodule("features") if block.startswith("features") else module
    x = torch.rand(1, 3, size, size) * 0.5
    try:
        while True:
            began = seconds()
            x = x.detach().requires_grad_()
            features(x)
            found.pop().backward()
            assert x.grad is not None
            x = x + x.grad / (x.grad.square().mean().sqrt() + 1e-5)
            yield seconds() - began
    finally:
        hook.remove()


def horama(module: nn.Module, block: str, channel: int, size: int) -> Seconds:
    """`fourier`: a 1280 px spectrum, six crops a step, NAdam. The seconds are those of one crop."""
    found: list[Tensor] = []
    hook = module.get_submodule(block).register_forward_hook(
        lambda _module, _inputs, output: found.append(output[:, channel].mean())
    )
    canvas, crops = 1280, 6
    spectrum = torch.randn(3, canvas, canvas // 2 + 1, dtype=torch.complex64).requires_grad_()
    frequencies = torch.fft.fftfreq(canvas)[:, None].square() + torch.fft.rfftfreq(canvas).square()
    scale = frequencies.sqrt().clamp(min=1 / canvas) ** -1.5 * canvas
    optimizer = torch.optim.NAdam([spectrum], lr=1.0)
    try:
        while True:
            began = seconds()
            optimizer.zero_grad()
            normal = (spectrum - spectrum.mean()) / (spectrum.std() + 1e-4)
            picture = torch.fft.irfft2(normal * scale)
            picture = torch.sigmoid((picture - picture.mean()) / (picture.std() + 1e-4)) * 5 - 2.5
            sides = torch.rand(crops) * 0.05 + 0.25
            centers = 0.5 + torch.randn(crops, 2) * 0.15
            boxes = torch.zeros(crops, 2, 3)
            boxes[:, 0, 0] = boxes[:, 1, 1] = sides
            boxes[:, :, 2] = 2 * centers - 1
            grid = F.affine_grid(boxes, [crops, 3, size, size], align_corners=True)
            shown = F.grid_sample(picture.expand(crops, -1, -1, -1), grid, align_corners=True)
            module(shown + torch.randn_like(shown) * 0.05 + torch.rand_like(shown) * 0.05)
            (-found.pop()).backward()
            optimizer.step()
            yield (seconds() - began) / crops
    finally:
        hook.remove()


def careful(module: nn.Module, block: str, channel: int, size: int) -> Seconds:
    """A loop by hand, with care: cut behind the layer, weights frozen, channels_last; Adam, no transforms."""
    flat = module if not block.startswith("features") else module.get_submodule("features")
    names = [name for name, _ in flat.named_children()]
    cut = nn.Sequential(*list(flat.children())[: names.index(block.rpartition(".")[2]) + 1])
    cut = cut.requires_grad_(False).to(memory_format=torch.channels_last)
    pixels = torch.randn(1, 3, size, size).to(memory_format=torch.channels_last).mul_(0.01).requires_grad_()
    optimizer = torch.optim.Adam([pixels], lr=0.05)
    while True:
        began = seconds()
        optimizer.zero_grad()
        (-cut(pixels.sigmoid() * 255 - 117)[:, channel].mean()).backward()
        optimizer.step()
        yield seconds() - began
