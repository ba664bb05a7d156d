"""Make features.md's pictures of a unit that was rebuilt to fool, and print what convscope says of each.

    python docs/make_fooled.py --data ../shared/data      # GoogLeNet and the photographs are there

A unit of GoogLeNet as it was trained, with a silent unit behind it, with a gate, and with the channels that are named
set to what they answer at rest. The surgery is the tests' (`tests/fooling.py`). Look at docs/pictures/fooled-*.webp
before you commit them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from PIL import Image

from convscope import Network, open_network
from convscope.measuring.measure import measure
from convscope.measuring.strongest import Strongest, strongest_of
from convscope.optimization.feature_visualization import RenderOptions, pixels
from convscope.optimization.objectives import unit
from convscope.optimization.rendering import RenderedPicture, RenderJob, render

DOCUMENTS = Path(__file__).resolve().parent
LAYER, UNIT, DECOY = "inception_4a/output", 136, 52
OPTIONS = RenderOptions(size=160, steps=128)


def main() -> None:
    """Make the three pictures, and the fourth, which has to be the first again."""
    parser = argparse.ArgumentParser(description="Make the pictures of a unit that was rebuilt to fool.")
    parser.add_argument("--data", type=Path, default=DOCUMENTS.parent.parent / "shared" / "data")
    data = parser.parse_args().data
    photographs = sorted((data / "photographs").glob("*.jpg"))[:100]
    sys.path.append(str(DOCUMENTS.parent / "tests"))
    import fooling

    natural = open_network(data / "caffe" / "bvlc_googlenet")
    measured = answers(natural, photographs)
    highest = measured.layers[LAYER][:, 1, -1]
    as_trained = see(natural, measured)
    keep("natural", as_trained)
    for name, gain, surgery in (
        ("silent", 30.0, fooling.with_silent_unit),
        ("gate", 300.0, fooling.with_fooling_circuit),
    ):
        fooling.GAIN = gain
        fooled = surgery(natural, LAYER, UNIT, DECOY, highest)
        rendered = see(fooled, measured := answers(fooled, photographs))
        keep(name, rendered)
        kept = dict(one.rpartition("=")[::2] for one in rendered.verdict.switches)
        undone = fooled.with_units({address: float(value) for address, value in kept.items()})
        if not see(undone, measured).picture.equal(as_trained.picture):
            sys.exit(
                f"{name}: at rest it is another unit than as it was trained: features.md says it is the same"
            )


def answers(network: Network, photographs: list[Path]) -> Strongest:
    """Measure what leads to the layer on photographs."""
    before = [operation.outputs[0] for operation in network.graph.needed_for([LAYER])]
    shapes = {value: network.shape_channels_first(value) for value in before}
    with tempfile.TemporaryDirectory() as folder:
        layers = [value for value, shape in shapes.items() if shape is not None and len(shape) == 4]
        return strongest_of(measure(network, photographs, layers, folder=folder))


def see(network: Network, measured: Strongest) -> RenderedPicture:
    """Make the unit's picture, always from the same noise."""
    job = RenderJob(LAYER, unit(network, f"{LAYER}:{UNIT}"), 0)
    *_, last = render(network, [job], OPTIONS.settings(network), strongest=measured)
    return last.made[0]


def keep(name: str, rendered: RenderedPicture) -> None:
    """Write a picture in few bytes, and say what is said of it."""
    path = DOCUMENTS / "pictures" / f"fooled-{name}.webp"
    Image.fromarray(pixels(rendered.picture)).save(path, quality=45, method=6)
    print(f"{path.name}, {path.stat().st_size:,} bytes: {rendered.verdict}", flush=True)


if __name__ == "__main__":
    main()
