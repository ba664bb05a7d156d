"""Shapes worked out without torch's compiler: those of the numbers themselves, in a process that never loaded it."""

import json
import subprocess
import sys

SCRIPT = """
import builtins, json, sys, threading
import torch
import torch.nn.functional as F
from convscope.network.without_compiler import without_compiler

x, other, row = torch.rand(2, 3, 5, 7), torch.rand(3, 1, 7), torch.tensor(3.0, dtype=torch.float64)
whole, truths = torch.arange(30).reshape(2, 3, 5, 1), torch.rand(2, 3, 5, 7) > 0.5
functions = {
    "minimum": lambda t: torch.minimum(t(x), t(other)),
    "number": lambda t: t(x) * 2 + t(row),
    "whole and float": lambda t: t(whole) * t(x),
    "divided": lambda t: t(whole) / 3,
    "truth": lambda t: t(truths) & (t(x) < 0.3),
    "where": lambda t: torch.where(t(truths), t(x), t(whole)),
    "convolution": lambda t: F.conv2d(t(x), t(torch.rand(4, 3, 2, 3)), stride=2, padding=1),
    "transposed": lambda t: F.conv_transpose2d(t(x), t(torch.rand(3, 4, 3, 3)), stride=2, output_padding=1),
    "batch norm": lambda t: F.batch_norm(t(x), t(torch.rand(3)), t(torch.rand(3)), training=False),
    "channels last": lambda t: torch.minimum(t(x.contiguous(memory_format=torch.channels_last)), t(x)),
    "reduced": lambda t: t(x).std((0, 2), keepdim=True),
    "joined": lambda t: torch.cat([t(x), t(x)[:, :1]], 1),
    "reshaped": lambda t: t(x).permute(0, 2, 3, 1).reshape(2, -1),
    "product": lambda t: t(x) @ t(torch.rand(7, 2)),
    "norm": lambda t: F.layer_norm(t(x), (7,)),
    "resized": lambda t: F.interpolate(t(x), scale_factor=1.5, mode="bilinear"),
    "softmax": lambda t: torch.softmax(t(x), 1).clamp(0, 0.3),
    "unlike": lambda t: torch.minimum(t(x), t(torch.rand(4, 7))),
    "too large a kernel": lambda t: F.conv2d(t(x), t(torch.rand(4, 3, 9, 9))),
    "other channels": lambda t: F.conv2d(t(x), t(torch.rand(4, 2, 2, 2))),
}
def seen(function, turn):
    try:
        found = function(turn)
    except RuntimeError as error:
        return "refused"
    return [str(found.dtype), list(found.shape), list(found.stride())]

own = builtins.__import__
expected = {name: seen(function, lambda tensor: tensor) for name, function in functions.items()}
with without_compiler():
    found = {name: seen(function, lambda tensor: tensor.to("meta")) for name, function in functions.items()}
    elsewhere = []
    def compiler_here():
        import torch._dynamo
        elsewhere.append(torch._dynamo.disable.__module__)
loaded = [name for name in ("torch._dynamo", "sympy") if name in sys.modules]
restored = builtins.__import__ is own
with without_compiler():
    thread = threading.Thread(target=compiler_here)
    thread.start()
    thread.join()
torch.minimum(torch.empty(2, device="meta"), torch.empty(2, device="meta"))
later = [name for name in ("torch._dynamo", "sympy") if name in sys.modules]
print(json.dumps([expected, found, loaded, restored, elsewhere, later]))
"""


def test_shapes_are_those_of_the_numbers_and_nothing_stays() -> None:
    command = [sys.executable, "-c", SCRIPT]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    expected, found, loaded, restored, elsewhere, later = json.loads(ended.stdout)
    assert found == expected and expected["unlike"] == expected["other channels"] == "refused"
    assert loaded == [] and restored
    # Who wants the compiler gets it, in another thread meanwhile and in this one afterwards.
    assert elsewhere == ["torch._dynamo.decorators"] and later == ["torch._dynamo", "sympy"]
