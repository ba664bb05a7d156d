"""Pictures read ahead of the network, in threads: decoding never waits for computing, nor computing for decoding."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from torch import Tensor

from convscope.errors import InputError, PictureError
from convscope.measuring.listed_picture import ListedPicture
from convscope.network.input_spec import InputSpec

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")
_DRAFT = 3  # times the size that is needed: a JPEG this large is decoded at a part of its size first


def read_input(spec: InputSpec, picture: ListedPicture) -> Tensor | str:
    """Return a picture as the network expects it, (1, ...), or in one line why it cannot be read.

    A JPEG of at least three times the size needed is decoded at a half, a quarter or an eighth of its size, as
    libjpeg does best, where the network's pictures are resized with antialiasing: the same to about one gray level.
    PictureError where the whole folder is gone.
    """
    try:
        pixels = picture.read()
        return spec.to_tensor(_draft(spec, pixels) or pixels)
    except (PictureError, InputError) as error:
        if picture.source is not None and not picture.source.exists():
            raise PictureError(
                f"{picture.source} is no longer there: what was measured is kept, and the same command goes on"
            ) from error
        return str(error) if picture.path in str(error) else f"{picture.path}: {error}"


def _draft(spec: InputSpec, pixels: Any) -> Image.Image | None:
    """Return a large JPEG decoded at a part of its size; None for all else."""
    if (
        not spec.antialias
        or spec.transform is not None
        or spec.bands
        or not isinstance(pixels, (Path, bytes))
    ):
        return None
    needed = max(*spec.size, spec.resize_size or 0)
    try:
        image = Image.open(io.BytesIO(pixels) if isinstance(pixels, bytes) else pixels, formats=("JPEG",))
        if min(image.size) < _DRAFT * needed:
            image.close()
            return None
        image.draft("RGB", (needed * _DRAFT // 2, needed * _DRAFT // 2))
        image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # whatever it is, it is said when it is read
    return image


def read_ahead(
    read: Callable[[_Item], _Made], items: Iterable[_Item], *, threads: int, ahead: int
) -> Generator[tuple[_Item, _Made], None, None]:
    """Yield each item and what is read of it, in order; up to `ahead` of them are read before they are asked for."""
    waiting: deque[tuple[_Item, Future[_Made]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="convscope-reading")
    try:
        for item in items:
            waiting.append((item, pool.submit(read, item)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
