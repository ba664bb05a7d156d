"""Previews come every half second at the latest, whatever a step takes: the clock is the test's own."""

from collections.abc import Iterator

import pytest

from convscope.web import pace


@pytest.mark.parametrize(
    ("step", "shown"),
    [(0.125, [0, 4, 8, 12]), (0.25, [0, 2, 4, 6]), (0.3125, [0, 1, 2, 3]), (2.0, [0, 1, 2, 3])],
)
def test_a_preview_is_half_a_second_after_the_last_or_earlier(
    step: float, shown: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    times: Iterator[float] = (7.0 + step * index for index in range(13))
    monkeypatch.setattr(pace, "monotonic", lambda: next(times))
    clock = pace.Pace()
    assert [index for index in range(13) if clock.is_due()][:4] == shown
