"""What every part of a torch module gives, by forward hooks that copy: the oracle for opened modules."""

from collections import Counter

import torch
from torch import nn


def copying_hooks(module: nn.Module) -> tuple[dict[str, torch.Tensor], list]:
    """Attach hooks that copy what every submodule gives, each call of it on its own."""
    seen: dict[str, torch.Tensor] = {}
    counts: Counter[str] = Counter()

    def hook(path):
        def keep(part, _, result):
            counts[path] += 1
            if isinstance(result, torch.Tensor):
                seen[f"{path}#{counts[path]}"] = result.clone()

        return keep

    return seen, [part.register_forward_hook(hook(path)) for path, part in module.named_modules() if path]


def seen_by_hooks(module: nn.Module, *inputs: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    seen, handles = copying_hooks(module)
    with torch.no_grad():
        output = module(*(x.clone() for x in inputs))
    for handle in handles:
        handle.remove()
    counts = Counter(name.rpartition("#")[0] for name in seen)
    once = {
        name.rpartition("#")[0] if counts[name.rpartition("#")[0]] == 1 else name: x
        for name, x in seen.items()
    }
    return once, output
