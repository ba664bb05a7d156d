"""What attribution methods take beside captum, grad-cam and zennit: GoogLeNet, SqueezeNet, VGG16.

    python benchmarks/attribution.py [--turns 5] [--network bvlc_googlenet] [--only grad_cam]
    python benchmarks/attribution.py --trust 100

The peers run in the same process, in turn, on torch modules with the same weights; medians of processor seconds, which
others on the machine change little. They are installed by `pip install captum grad-cam zennit`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter, process_time

import torch
from networks import DATA, classic_networks
from torch import Tensor
from torch_networks import torch_network

import convscope
from convscope.attribution.rise import random_masks
from convscope.network.network import Network

NETWORKS = {  # the layer that Grad-CAM takes by itself, of ours and of the module's
    "bvlc_googlenet": ("inception_5b/output", "inception_5b"),
    "squeezenet_v1.1": ("fire9/concat", "fire9"),
    "VGG16": ("pool5", "features.pool5"),
}
ABLATED = {
    "bvlc_googlenet": (("inception_5b/output", "inception_5b"), ("inception_4c/output", "inception_4c")),
    "squeezenet_v1.1": (("fire9/concat", "fire9"),),
    "VGG16": (),  # half an hour of the peer's
}
CLASS, MASKS = 281, 64
Run = Callable[[], object]


def medians(runs: Mapping[str, Run], turns: int) -> dict[str, float]:
    """Return each run's median processor seconds, in turn; the first turn of several is left out."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns + (turns > 1)):
        for name, run in runs.items():
            began = process_time()
            run()
            if turn or turns == 1:
                times[name].append(process_time() - began)
    return {name: statistics.median(found) for name, found in times.items()}


class Contest:
    """A network of ours and the same as a torch module, on one picture."""

    def __init__(self, name: str, files: tuple[Path, Path]) -> None:
        self.name, self.network = name, convscope.open_network(files[0], weights=files[1])
        self.module = torch_network(self.network)
        self.input = self.network.preprocess("coffee")
        self.check()

    def check(self) -> None:
        """Both have to say the same."""
        with torch.no_grad():
            theirs = self.module(self.input)
        ours = self.network.activations(self.input, self.network.class_scores)[self.network.class_scores]
        torch.testing.assert_close(ours.flatten(1), theirs, rtol=1e-3, atol=1e-3)

    def forward(self) -> object:
        """The whole network, the probabilities only."""
        return self.network.activations(self.input, self.network.class_output)

    def theirs_forward(self) -> object:
        with torch.no_grad():
            return self.module(self.input)

    def cam(self, kind: str, block: str) -> Run:
        import pytorch_grad_cam as cams
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        made = getattr(cams, kind)(self.module, [self.module.get_submodule(block)])
        return lambda: made(self.input, [ClassifierOutputTarget(CLASS)])


def grad_cam(contest: Contest) -> Iterator[dict[str, Run]]:
    layer, block = NETWORKS[contest.name]
    yield {
        "Grad-CAM": lambda: convscope.grad_cam(contest.network, contest.input, CLASS, layer=layer),
        "grad-cam": contest.cam("GradCAM", block),
    }


def ablation_cam(contest: Contest) -> Iterator[dict[str, Run]]:
    for layer, block in ABLATED[contest.name]:
        yield {
            f"Ablation-CAM, {layer}": lambda layer=layer: convscope.ablation_cam(
                contest.network, contest.input, CLASS, layer=layer, progress=False
            ),
            "grad-cam": contest.cam("AblationCAM", block),
        }


def occlusion(contest: Contest) -> Iterator[dict[str, Run]]:
    from captum.attr import Occlusion

    window, stride = 45, 15
    theirs = Occlusion(contest.module)

    def captum() -> Tensor:
        with torch.no_grad():
            return theirs.attribute(contest.input, (3, window, window), (3, stride, stride), 0, CLASS)

    yield {
        "Occlusion": lambda: convscope.occlusion(
            contest.network,
            contest.input,
            CLASS,
            window=window,
            stride=stride,
            baseline="zero",
            progress=False,
        ),
        "captum": captum,
    }


def rise(contest: Contest) -> Iterator[dict[str, Run]]:
    size = tuple(contest.input.shape[2:])

    def loop() -> Tensor:
        masks = torch.stack(list(random_masks(size, MASKS, torch.Generator().manual_seed(0))))
        with torch.no_grad():
            answers = torch.cat([contest.module(contest.input * mask[:, None]) for mask in masks.split(16)])
        return (answers[:, CLASS] @ masks.flatten(1)) / MASKS / 0.5

    yield {
        f"RISE, {MASKS} masks": lambda: convscope.rise(
            contest.network, contest.input, CLASS, samples=MASKS, progress=False
        ),
        "its own loop": loop,
    }


def relevance(contest: Contest) -> Iterator[dict[str, Run]]:
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlus

    one = torch.zeros(1, 1000)
    one[0, CLASS] = 1

    def zennit() -> Tensor:
        with Gradient(contest.module, EpsilonPlus()) as attributor:
            return attributor(contest.input, one)[1]

    yield {
        "LRP, epsilon-plus": lambda: convscope.relevance(contest.network, contest.input, CLASS),
        "zennit": zennit,
    }


CONTESTS = {one.__name__: one for one in (grad_cam, ablation_cam, occlusion, rise, relevance)}


def rows(contest: Contest, names: list[str], turns: int) -> Iterator[str]:
    for name in names:
        for runs in CONTESTS[name](contest):
            few = (
                1
                if name == "ablation_cam"
                else max(1, turns // 2)
                if name in ("occlusion", "rise")
                else turns
            )
            found = medians(runs, few)
            forward = medians({"forward": contest.forward}, turns)["forward"]
            ours, theirs = found
            cells = [f"{contest.name} {ours}", theirs, f"{forward * 1e3:.1f} ms"]
            cells += [f"{found[one] * 1e3:,.1f} ms" for one in (ours, theirs)]
            cells += [f"{found[theirs] / found[ours]:.1f}", f"{found[ours] / forward:.2f}"]
            yield "| " + " | ".join(cells) + " |"


def time_trust(count: int, network: Network) -> None:
    """What `trust` takes on photographs with its five methods."""
    photographs = sorted((DATA.parent / "photographs").glob("*.jpg"))[:count]
    used, began = process_time(), perf_counter()
    print(convscope.trust(network, [str(path) for path in photographs], grids=0))
    print(
        f"{len(photographs)} photographs: {perf_counter() - began:.0f} s, {process_time() - used:.0f} of the processor"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--network", choices=NETWORKS, action="append")
    parser.add_argument("--only", choices=CONTESTS, action="append")
    parser.add_argument("--trust", type=int, metavar="PHOTOGRAPHS")
    given = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        files = classic_networks(Path(folder))
        if given.trust:
            time_trust(given.trust, convscope.open_network(files["bvlc_googlenet"][0]))
            return
        print("| | beside | forward | convscope | peer | times faster | forward passes |")
        print("|---|---|---|---|---|---|---|")
        for name in given.network or NETWORKS:
            for row in rows(Contest(name, files[name]), given.only or list(CONTESTS), given.turns):
                print(row, flush=True)


if __name__ == "__main__":
    main()
