"""What the colors mean is what the words say."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.presentation.scaling import Scaling, colorize, palette_in_words, scale

POSITIVE = np.array([[[0, 1], [2, 4]], [[0, 10], [20, 40]]], np.float32)
SIGNED = np.array([[[-1, 0], [1, 4]], [[-40, 0], [10, 20]]], np.float32)


def levels(tiles: NDArray[np.generic], scaling: Scaling) -> NDArray[np.uint8]:
    colors = scale(tiles, scaling).colors
    assert (colors == colors[..., :1]).all()
    return colors[..., 0]


def test_each_tile_has_its_own_range() -> None:
    shown = levels(POSITIVE, Scaling())
    assert shown.tolist() == [[[0, 64], [128, 255]], [[0, 64], [128, 255]]]
    assert scale(POSITIVE).words == "each tile scaled to its own range, darkest to brightest"


def test_one_scale_for_the_whole_sheet() -> None:
    scaled = scale(POSITIVE, Scaling(per="sheet"))
    assert scaled.colors[..., 0].tolist() == [[[0, 6], [13, 26]], [[0, 64], [128, 255]]]
    assert (scaled.low, scaled.high) == (0, 40)
    assert scaled.words == "one scale for the whole sheet, 0 to 40"
    assert "0 to 213.4" in scale(np.array([[[0, 213.4]]]), Scaling(per="sheet")).words


def test_signed_tiles_have_zero_in_the_middle() -> None:
    scaled = scale(SIGNED, Scaling(palette="RdBu_r"))
    middle = colorize(np.array([0.5]), "RdBu_r")[0].astype(int)
    for index in (0, 1):
        assert np.abs(scaled.colors[index, 0, 1].astype(int) - middle).max() <= 2
    assert scale(SIGNED).palette == "RdBu_r"
    assert "zero is white, positive red, negative blue" in scale(SIGNED).words
    assert "zero is the middle of bwr" in scale(SIGNED, Scaling(palette="bwr")).words
    red, blue = scaled.colors[0, 1, 1], scaled.colors[1, 0, 0]
    assert red[0] > 2 * red[2]
    assert blue[2] > 2 * blue[0]
    assert levels(SIGNED, Scaling(symmetric=True, palette="gray")).tolist()[0] == [[96, 128], [159, 255]]
    sheet = scale(SIGNED, Scaling(per="sheet"))
    assert (sheet.low, sheet.high) == (-40, 40)


def test_a_palette_without_a_middle_is_not_symmetric_unless_asked() -> None:
    assert scale(SIGNED, Scaling(per="sheet", palette="magma")).low == -40
    assert scale(SIGNED, Scaling(per="sheet", palette="magma")).high == 20
    assert scale(SIGNED, Scaling(per="sheet", palette="magma", symmetric=True)).high == 40
    assert scale(SIGNED, Scaling(symmetric=False)).palette == "gray"


def test_colored_tiles_keep_their_colors() -> None:
    tiles = np.zeros((1, 2, 2, 3))
    tiles[0, 0, 0] = (1, 0, 0)
    scaled = scale(tiles)
    assert scaled.colors[0, 0, 0].tolist() == [255, 0, 0]
    assert scaled.palette is None
    assert scale(tiles - 0.5, Scaling(symmetric=True)).words.endswith("zero in the middle")


def test_tiles_of_one_value_share_a_scale_and_are_not_dead() -> None:
    scaled = scale(np.array([0.0, 1, 4]).reshape(3, 1, 1))
    assert scaled.colors[:, 0, 0, 0].tolist() == [0, 64, 255]
    assert not scaled.flat.any()
    assert scaled.words == "one scale for the whole sheet, 0 to 4"


def test_an_outlier_is_clipped_and_the_words_say_so() -> None:
    tiles = np.linspace(0, 1, 1000).reshape(1, 10, 100)
    tiles[0, 0, 0] = 1000
    clipped = scale(tiles, Scaling(percentile=99))
    assert clipped.colors[..., 0].mean() > 120
    assert scale(tiles).colors[..., 0].mean() < 2
    assert clipped.words.endswith("clipped at percentile 99")
    assert clipped.colors.min() == 0  # zero stays black: only the bright end of rectified values is clipped


@pytest.mark.parametrize("sign", [1, -1])
def test_clipping_never_hides_a_tile_that_answers_at_one_point_only(sign: int) -> None:
    tiles = np.zeros((2, 28, 28))
    tiles[:, 3, 4] = 5, 5 * sign
    scaled = scale(tiles, Scaling(percentile=99))
    assert not scaled.flat.any()
    for colors in scaled.colors:
        assert len(np.unique(colors.reshape(-1, 3), axis=0)) == 2
        assert (colors[3, 4] != colors[0, 0]).any()


def test_flat_and_broken_tiles_are_marked() -> None:
    tiles = np.stack([POSITIVE[0], np.zeros((2, 2)), np.full((2, 2), 7), POSITIVE[1], POSITIVE[0]]).astype(
        float
    )
    tiles[3, 0, 0], tiles[4, 1, 1] = np.nan, np.inf
    scaled = scale(tiles)
    assert scaled.flat.tolist() == [False, True, True, False, False]
    assert scaled.broken.tolist() == [False, False, False, True, True]


@given(
    arrays(np.float32, (3, 2, 4), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.sampled_from(["tile", "sheet"]),
)
def test_any_numbers_give_colors_without_a_warning(tiles: NDArray[np.float32], per: str) -> None:
    with np.errstate(all="raise"):
        scaled = scale(tiles, Scaling(per=per))  # type: ignore[arg-type]
    assert scaled.colors.shape == (3, 2, 4, 3)
    assert scaled.colors.dtype == np.uint8


def test_integers_and_booleans_are_numbers() -> None:
    assert levels(POSITIVE.astype(np.int64), Scaling()).tolist() == levels(POSITIVE, Scaling()).tolist()
    assert levels(POSITIVE > 3, Scaling()).max() == 255


@pytest.mark.parametrize("palette", ["gray", "viridis", "magma", "RdBu"])
def test_palettes_are_matplotlibs(palette: str) -> None:
    values = np.array([0, 100, 255], np.uint8)
    expected = matplotlib.colormaps[palette](values)[:, :3] * 255
    np.testing.assert_allclose(colorize(values / 255, palette), expected, atol=0.51)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"per": "row"}, "scale per 'tile' or per 'sheet', not 'row'"),
        ({"percentile": 10}, "percentile is between 50 and 100, not 10"),
        ({"palette": "virdis"}, r"no palette 'virdis'\. Did you mean 'viridis'"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Scaling(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "tiles", [np.zeros((2, 2)), np.zeros((2, 2, 2, 4)), np.zeros((0, 2, 2)), np.array(["a"])]
)
def test_what_is_no_tiles(tiles: NDArray[np.generic]) -> None:
    with pytest.raises(InputError, match="tiles "):
        scale(tiles)


@pytest.mark.parametrize(
    ("palette", "words"),
    [
        ("viridis", "from dark to bright in viridis"),
        ("Greys", "from bright to dark in Greys"),
        ("RdBu_r", "in RdBu_r"),
        ("jet", "in jet"),
    ],
)
def test_a_palette_is_described_as_it_is(palette: str, words: str) -> None:
    assert palette_in_words(palette) == words
