"""An atlas's sheets: tiles side by side in JPEGs that every browser opens, 4,096 pixels a side at most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.files import writing, written_whole

SHEET = 4096  # pixels: the longer side of a sheet, at most


def write_sheets(folder: Path, stem: str, tiles: NDArray[np.uint8]) -> list[str]:
    """Write tiles (tiles, height, width, 3) as JPEG sheets of full rows, and return their names."""
    height, width = tiles.shape[1:3]
    columns, rows = SHEET // width, SHEET // height
    names = []
    for part, start in enumerate(range(0, len(tiles), columns * rows)):
        sheet_tiles = tiles[start : start + columns * rows]
        row_count = -(-len(sheet_tiles) // columns)
        sheet = np.full((row_count * columns, height, width, 3), 255, np.uint8)
        sheet[: len(sheet_tiles)] = sheet_tiles
        array = (
            sheet.reshape(row_count, columns, height, width, 3)
            .swapaxes(1, 2)
            .reshape(row_count * height, columns * width, 3)
        )
        name = f"sheets/{stem}-{part}.jpg"
        with writing(folder / name):
            (folder / "sheets").mkdir(exist_ok=True)
            with written_whole(folder / name) as partial:
                Image.fromarray(array).save(partial, "JPEG", quality=88, subsampling=0)
        names.append(name)
    return names
