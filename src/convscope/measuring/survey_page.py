"""The survey as one page that opens anywhere: every style and picture inside, nothing fetched, nothing run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np
from jinja2 import DictLoader, Environment, StrictUndefined
from PIL import Image

from convscope._version import __version__
from convscope.errors import PictureError
from convscope.measuring.listed_picture import ListedPicture
from convscope.measuring.survey import Survey, in_words
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture
from convscope.presentation.wording import percent

_SHOWN = 24  # confusions with a picture
_SIDE = 160


def survey_page(survey: Survey, listed: Sequence[ListedPicture]) -> str:
    """Return the page as HTML; the pictures of the most frequent confusions stand in it."""
    pictures = [_thumbnail(listed[one.surest.index]) for one in survey.confusions[:_SHOWN]]
    return (
        _template()
        .get_template("page")
        .render(survey=survey, findings=in_words(survey), pictures=pictures, version=__version__)
    )


@cache
def _template() -> Environment:
    page = resources.files(__package__).joinpath("survey.html").read_text(encoding="utf-8")
    environment = Environment(loader=DictLoader({"page": page}), autoescape=True, undefined=StrictUndefined)
    environment.filters["percent"] = percent
    return environment


def _thumbnail(picture: ListedPicture) -> str:
    try:
        pixels = np.round(open_photograph(picture.read()).pixels * 255).astype(np.uint8)
    except PictureError:
        return ""  # it was there when it was measured
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE))
    return Picture(np.asarray(image)).data_uri()
