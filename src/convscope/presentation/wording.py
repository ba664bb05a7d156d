"""Numbers and names as every picture and page writes them."""

from __future__ import annotations


def percent(share: float) -> str:
    """Write a share of 1 as a percentage.

    >>> percent(0.3758)
    '37.6%'
    """
    value = 100 * share
    return f"{value:.0f}%" if value >= 99.95 or not value else f"{value:.1f}%" if value >= 0.1 else "<0.1%"


def shortened(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters; one that is longer loses its middle, for its ends say most.

    >>> shortened("inception_4a/output:42", 16)
    'inception_…ut:42'
    """
    end = longest // 3
    return text if len(text) <= longest else f"{text[: longest - end - 1]}…{text[-end:]}"
