"""Draw the logs of some runs as one picture: accuracy and loss against epochs.

python training/curve.py natural aligned        # writes pictures/curve.png from logs/<name>.csv
"""

from __future__ import annotations

import argparse
import csv

import matplotlib.pyplot as plt

from pictures import HERE


def main() -> None:
    """Draw one column a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+")
    names = parser.parse_args().names
    figure, axes = plt.subplots(
        2, len(names), figsize=(4.5 * len(names), 5), sharex="col", sharey="row", squeeze=False
    )
    for (above, below), name in zip(axes.T, names, strict=True):
        with (HERE / "logs" / f"{name}.csv").open() as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        epochs = [row["epoch"] for row in rows]
        for key, label in (("top5", "top-5"), ("top1", "top-1")):
            above.plot(epochs, [100 * row[key] for row in rows], marker=".", label=label)
        below.plot(epochs, [row["loss"] for row in rows], color="gray", marker=".")
        above.set_title(name)
        above.grid(alpha=0.3)
        below.grid(alpha=0.3)
        below.set_xlabel("epoch")
    axes[0, 0].set_ylabel("validation accuracy (%)")
    axes[1, 0].set_ylabel("training loss")
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(HERE / "pictures" / "curve.png", dpi=80)


if __name__ == "__main__":
    main()
