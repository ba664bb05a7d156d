"""Shares and names are written the same way everywhere."""

import pytest

from convscope.presentation.wording import percent, shortened


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (1e-9, "<0.1%"),
        (0.001, "0.1%"),
        (0.3758, "37.6%"),
        (0.9994, "99.9%"),
        (0.9996, "100%"),
        (1, "100%"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_what_is_too_long_keeps_its_ends() -> None:
    assert shortened("short", 5) == "short"
    assert shortened("a" * 50 + ":42", 12) == "aaaaaaa…a:42"
    assert all(len(shortened("x" * 99, longest)) == longest for longest in range(3, 60))
