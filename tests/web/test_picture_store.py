"""The pictures of a page: what was sent stays as its file, and only the last few as numbers."""

import io

import numpy as np
import pytest
from PIL import Image

from convscope.errors import PictureError
from convscope.web import picture_store
from convscope.web.picture_store import PictureStore


def png(seed: int) -> bytes:
    buffer, pixels = io.BytesIO(), np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_numbers_are_kept_of_a_few_and_read_again_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_store, "MOST_DECODED", 3 * 30 * 40 * 3 * 4)
    store = PictureStore()
    keys = [store.add(png(seed)) for seed in range(9)]
    first, last = store[keys[0]], store[keys[8]]
    assert store[keys[8]] is last
    np.testing.assert_array_equal(first.pixels, store[keys[0]].pixels)
    assert (first.pixels * 255).round().astype(np.uint8).tobytes() == np.asarray(
        Image.open(io.BytesIO(png(0)))
    ).tobytes()
    assert len(store._decoded) == 3


def test_files_are_forgotten_where_they_are_too_many_but_none_that_came_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture_store, "MOST_BYTES", 4 * len(png(0)) + 100)
    store = PictureStore()
    pinned = store.add(png(99), pinned=True), store.add("coffee", pinned=True)
    keys = [store.add(png(seed)) for seed in range(3)]
    assert store[keys[0]].pixels.shape == (30, 40, 3)  # looked at again: the second is now the oldest
    keys += [store.add(png(seed)) for seed in range(3, 5)]
    with pytest.raises(PictureError, match="no longer here"):
        store[keys[1]]
    assert all(store[key].pixels.size for key in (*pinned, keys[0], *keys[2:]))
