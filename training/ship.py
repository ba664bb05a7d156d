"""Put a variant into the package: its weights, and what its channels answer to the photographs.

    python training/ship.py natural

The measurement is the yardstick of every picture that is made for a channel ("2.4 x the strongest photograph").
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from export import WEIGHTS

import convscope
from convscope.measuring.strongest import SUFFIX, Strongest, strongest_of
from pictures import PACKED

NETWORKS = Path(convscope.__file__).parent / "networks"
PHOTOGRAPHS = PACKED.parent / "photographs"


def main() -> None:
    """Copy the weights and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="of the variant in weights/")
    shutil.copy(WEIGHTS / f"{parser.parse_args().name}.safetensors", NETWORKS / "builtin.safetensors")
    network = convscope.open_network("builtin")
    found = strongest_of(convscope.measure(network, PHOTOGRAPHS))
    print(halved(found).save(NETWORKS / f"builtin{SUFFIX}"))


def halved(found: Strongest) -> Strongest:
    """The same in half precision, rounded: a yardstick needs three digits."""
    return replace(found, layers={name: value.half() for name, value in found.layers.items()})


if __name__ == "__main__":
    main()
