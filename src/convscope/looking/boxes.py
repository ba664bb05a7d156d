"""A detector's boxes, drawn on the picture: where it finds something, and how much it scores.

Of several boxes on one thing the best is kept, as all detectors do: greedy non-maximum suppression, as in Girshick et
al., *Rich feature hierarchies* (2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convscope.errors import InputError
from convscope.looking.answers import answer_rows, seen_by
from convscope.network.network import Network
from convscope.pictures.picture import Picture
from convscope.pictures.recording import recipe_function
from convscope.presentation.scaling import to_bytes
from convscope.presentation.style import ThemeName, font, theme_named

_SCORE = 0.3  # from which a box is drawn
_SAME = 0.45  # of their union that two boxes share when they are on one thing
_MOST = 20
_SIDE = 640  # pixels: what a small picture is enlarged to, about
_DETECTION = 7  # numbers of a DetectionOutput's row: picture, class, score and two corners
_BACKGROUND = 0.8  # of all rows that one class has when it is the one for nothing
_TRUE = 0.98  # of the rows that a reading of their numbers has to make sense of

_Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """One thing that is found: class, score (0 to 1), and (left, top, right, bottom) in shares of the picture."""

    label: str
    score: float
    corners: tuple[float, float, float, float]


@dataclass(frozen=True)
class Boxes:
    """All that is found, the best first, and in words how the network's numbers were read."""

    found: tuple[Box, ...]
    reading: str


def find_boxes(network: Network, picture: Any) -> Boxes | None:
    """Return what a detector finds in a picture; None where its numbers are no boxes by themselves.

    That is so of offsets from anchors, which no file tells.

    >>> find_boxes(network, "street.jpg").found[0]
    Box(label='class 1', score=0.99..., corners=(0.41..., 0.22..., 0.56..., 0.47...))
    """
    rows = {
        output.value: np.squeeze(answer_rows(network, picture, output.value))
        for output in network.outputs
        if output.role == "boxes"
    }
    tables = [values.astype(np.float64) for values in rows.values() if values.ndim == 2]
    size = seen_by(network, picture).shape[:2]
    read = _of_detections(tables) or _of_two_tables(tables, size) or _of_one_table(tables, size)
    if read is None:
        return None
    corners, scores, kinds, words = read
    best = _best(corners, scores, kinds)
    return Boxes(
        tuple(
            Box(network.class_label(int(kinds[at])), float(scores[at]), tuple(map(float, corners[at])))  # type: ignore[arg-type]
            for at in best
        ),
        words,
    )


@recipe_function("boxes")
def boxes(network: Network, picture: Any, *, theme: ThemeName = "light") -> Picture:
    """Show the picture as a detector sees it, a frame around what it finds, its class and score above.

    >>> boxes(network, "street.jpg").save("street-boxes.png")

    InputError for a network whose outputs are no boxes by themselves.
    """
    read = find_boxes(network, picture)
    if read is None:
        listed = "; ".join(map(str, network.outputs)) or "none"
        raise InputError(
            f"{network.name} gives no boxes that can be drawn; its outputs are {listed}. Offsets from anchors, or "
            "maps, need what only its program knows: see `convscope activations`"
        )
    canvas = Image.fromarray(to_bytes(seen_by(network, picture)))
    times = max(1, round(_SIDE / max(canvas.size)))
    image = canvas.resize((canvas.width * times, canvas.height * times), Image.Resampling.BICUBIC)
    draw, type_, color = ImageDraw.Draw(image), font(13), theme_named(theme).accent
    for box in reversed(read.found):
        left, top, right, bottom = (
            round(share * side) for share, side in zip(box.corners, image.size * 2, strict=True)
        )
        draw.rectangle((left, top, max(left, right), max(top, bottom)), None, color, 3)
        words = f" {box.label} {box.score:.2f} "
        under = top < 18
        place = (max(0, left), bottom - 18 if under else top - 18)
        draw.rectangle((*place, place[0] + type_.getlength(words), place[1] + 18), color)
        draw.text((place[0], place[1] + 9), words, "#ffffff", type_, "lm")
    names = ", ".join(f"{box.label} {box.score:.2f}" for box in read.found[:5]) or "nothing"
    caption = (
        f"{len(read.found):,} box{'' if len(read.found) == 1 else 'es'} with a score of {_SCORE:g} and more, the best "
        f"of those on one thing: {names}. "
        f"{read.reading}."
    )
    return Picture(np.asarray(image), caption)


def _of_detections(tables: list[_Boxes]) -> tuple[_Boxes, _Boxes, NDArray[np.intp], str] | None:
    for table in tables:
        if table.shape[1] == _DETECTION:
            words = "Rows of class, score and corners, as a DetectionOutput layer writes them"
            return table[:, 3:], table[:, 2], table[:, 1].astype(np.intp), words
    return None


def _of_two_tables(
    tables: list[_Boxes], size: tuple[int, ...]
) -> tuple[_Boxes, _Boxes, NDArray[np.intp], str] | None:
    """Return corners, scores and classes of rows of four numbers beside rows of a probability a class."""
    places = next((table for table in tables if table.shape[1] == 4), None)
    scores = next((table for table in tables if table is not places and places is not None), None)
    if places is None or scores is None or len(scores) != len(places):
        return None
    if scores.min() < 0 or scores.max() > 1 + 1e-6 or (read := _corners(places, size)) is None:
        return None
    kinds, counts = np.unique(scores.argmax(axis=1), return_counts=True)
    nothing = int(kinds[counts.argmax()]) if counts.max() > _BACKGROUND * len(scores) else -1
    of_things = scores.copy()
    if scores.shape[1] > 1 and nothing >= 0 and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        of_things[:, nothing] = 0
    kinds_of = of_things.argmax(axis=1)
    return read[0], of_things.max(axis=1), kinds_of, f"Their four numbers are taken for {read[1]}: a guess"


def _of_one_table(
    tables: list[_Boxes], size: tuple[int, ...]
) -> tuple[_Boxes, _Boxes, NDArray[np.intp], str] | None:
    """Return corners, scores and classes of rows that hold all of a box, as the YOLO family writes them.

    A row a box has an objectness before its classes, or ends in one score and the class's number where the network has
    chosen already; a column a box (since version 8) has its classes alone.
    """
    if len(tables) != 1 or min(tables[0].shape) < 5:
        return None
    across = tables[0].shape[0] < tables[0].shape[1]
    rows = tables[0].T if across else tables[0]
    scores, names = rows[:, 4:], "four numbers and a score a class"
    is_chosen = scores.shape[1] == 2 and not across and bool((scores[:, 1] % 1 == 0).all())
    if is_chosen:
        kinds, scores, names = (
            scores[:, 1].astype(np.intp),
            scores[:, :1],
            "four numbers, a score and a class",
        )
    elif not across and scores.shape[1] > 1:
        scores, names = scores[:, 1:] * scores[:, :1], "four numbers, an objectness and a score a class"
    if not is_chosen:
        kinds = scores.argmax(axis=1)
    found = scores.max(axis=1) > 0  # what is chosen may be filled up with rows of nothing
    rows, scores, kinds = rows[found], scores[found], kinds[found]
    if scores.size and (scores.min() < 0 or scores.max() > 1 + 1e-6):
        return None
    read = _corners(rows[:, :4], size) if len(rows) else (rows[:, :4], "corners")
    if read is None:
        return None
    words = f"A box is taken for {names}, its four numbers for {read[1]}: a guess"
    return read[0], scores.max(axis=1), kinds, words


def _corners(places: _Boxes, size: tuple[int, ...]) -> tuple[_Boxes, str] | None:
    """Return four numbers a box as corners in shares of the picture, by the reading that makes boxes of nearly all."""
    in_pixels = np.array([size[1], size[0]] * 2, dtype=np.float64)
    halves = places[:, 2:] / 2
    readings = {
        "corners in shares of the picture": places,
        "corners in pixels": places / in_pixels,
        "middle and size in shares of the picture": np.hstack(
            [places[:, :2] - halves, places[:, :2] + halves]
        ),
    }
    readings["middle and size in pixels"] = readings["middle and size in shares of the picture"] / in_pixels
    for words, corners in readings.items():
        width, height = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
        middle = (corners[:, :2] + corners[:, 2:]) / 2
        inside = (middle > -0.1).all(axis=1) & (middle < 1.1).all(axis=1) & (width < 2) & (height < 2)
        sensible = (width > 1e-3) & (height > 1e-3) & inside
        if sensible.mean() > _TRUE:
            return corners, words
    return None


def _best(corners: _Boxes, scores: _Boxes, kinds: NDArray[np.intp]) -> list[int]:
    """Return the rows to draw, the best first: of those of one class that lie on each other, only the best."""
    indices: list[int] = []
    for at in np.argsort(-scores, kind="stable"):
        if scores[at] < _SCORE or len(indices) == _MOST:
            break
        if all(
            kinds[at] != kinds[other] or _shared(corners[at], corners[other]) < _SAME for other in indices
        ):
            indices.append(int(at))
    return indices


def _shared(one: _Boxes, other: _Boxes) -> float:
    """Return intersection over union."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, float(across)) * max(0.0, float(down))
    areas = sum(float((box[2] - box[0]) * (box[3] - box[1])) for box in (one, other))
    return both / (areas - both) if areas > both else 0.0
