"""The themes are readable: enough contrast between words and page (WCAG 2.1)."""

import pytest

from convscope.errors import InputError
from convscope.presentation.style import THEMES, font, theme_named


def luminance(color: str) -> float:
    parts = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_words_stand_out_from_the_page(name: str) -> None:
    theme = theme_named(name)
    assert contrast(theme.text, theme.page) > 7
    for color in (theme.muted, theme.accent, theme.warning):
        assert contrast(color, theme.page) > 4.5


def test_an_unknown_theme_offers_the_known() -> None:
    with pytest.raises(InputError, match=r"no theme 'drak'\. Did you mean 'dark'\? Possible: light, dark"):
        theme_named("drak")
    assert set(THEMES) == {"light", "dark"}


def test_the_font_is_the_one_matplotlib_brings() -> None:
    assert font(11).getname() == ("DejaVu Sans", "Book")
