"""Numbers and names as every picture and page writes them."""

from __future__ import annotations

from typing import Any

_LONGEST_LABEL = 34


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


def short_label(label: str) -> str:
    """Return a class's name in one line that stands beside a bar.

    >>> short_label("soap  dispenser")
    'soap dispenser'
    """
    return shortened(" ".join(str(label).split()), _LONGEST_LABEL)


def fitted(words: str, width: float, letters: Any) -> str:
    """Return words that are no wider than so many pixels in a typeface of Pillow's."""
    longest = len(words)
    while longest > 4 and letters.getlength(shortened(words, longest)) > width:
        longest -= 1
    return shortened(words, longest)


def title_of(what: str, network: Any, picture: Any) -> str:
    """Return a title that names what is shown, the network and the photograph, where that has a name or is one.

    >>> title_of("pool5", network, open_photograph("cat.jpg"))
    'pool5 · GoogLeNet · cat.jpg'
    """
    name = (
        picture if isinstance(picture, str) else str(getattr(picture, "name", "") or "")
    )  # a tensor's is None
    words = (what, str(network.name or ""), name)
    return " · ".join(shortened(" ".join(word.split()), 40) for word in words if word.strip())
