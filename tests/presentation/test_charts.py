"""Charts: the right bars in the right colors, the same bytes every time, no trace left in matplotlib."""

import sys
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from convscope.errors import InputError
from convscope.pictures.picture import Picture
from convscope.presentation import figure
from convscope.presentation.bar_charts import effect_chart, prediction_chart
from convscope.presentation.style import THEMES
from convscope.presentation.value_plots import probability_plot, values_and_histogram

TOP = [("tiger cat", 0.4), ("tabby", 0.2), ("lynx", 0.05)]
PROBABILITIES = np.full(1000, 0.0001)
PROBABILITIES[[281, 282, 285]] = (0.27, 0.38, 0.25)


def rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[index : index + 2], 16) for index in (1, 3, 5))


def columns_of(picture: Picture, color: str) -> NDArray[np.bool_]:
    """Return for each row of pixels how many have exactly a color."""
    return (picture.array == rgb(color)).all(axis=2).sum(axis=1)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_bars_are_as_long_as_their_probabilities(theme: str) -> None:
    picture = prediction_chart(TOP, theme=theme)
    best = columns_of(picture, THEMES[theme].accent)
    rest = columns_of(picture, THEMES[theme].quiet)
    lengths = [best.max(), *sorted({int(length) for length in rest if length > 30}, reverse=True)]
    assert lengths[1] / lengths[0] == pytest.approx(0.2 / 0.4, rel=0.02)
    assert lengths[-1] / lengths[0] == pytest.approx(0.05 / 0.4, rel=0.05)
    assert np.flatnonzero(best).max() < np.flatnonzero(rest > 30).min()  # the best is on top
    assert tuple(picture.array[0, 0]) == rgb(THEMES[theme].page)
    assert picture.caption == "the 3 most probable classes; tiger cat 40.0%"
    assert picture.pixel_ratio == 2


def test_the_probability_plot_names_the_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    annotate = Axes.annotate

    def record(axes: Axes, text: str, *arguments: object, **keywords: object) -> object:
        written.append((text, arguments))
        return annotate(axes, text, *arguments, **keywords)

    monkeypatch.setattr(Axes, "annotate", record)
    labels = [f"class {index}" for index in range(1000)]
    picture = probability_plot(PROBABILITIES, labels, top=3)
    assert [text for text, _ in written] == ["class 282  38.0%", "class 281  27.0%", "class 285  25.0%"]
    levels = [arguments[1][1] for _, arguments in written]  # type: ignore[index]
    assert all(higher - lower > 0.03 for higher, lower in pairwise(levels))
    assert "of 1,000 classes; the highest: class 282 38.0%, class 281 27.0%" in picture.caption
    assert (picture.array == rgb(THEMES["light"].accent)).all(axis=2).sum() > 500


def test_few_classes_are_bars_with_their_names() -> None:
    picture = probability_plot(np.array([0.1, 0.7, 0.2]), ["red", "green", "blue"])
    bars = columns_of(picture, THEMES["light"].accent)
    others = columns_of(picture, THEMES["light"].quiet)
    assert (bars > 0).sum() > 3 * (others > 0).sum()
    assert "the highest: green 70.0%" in picture.caption


def test_values_and_their_histogram(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    histogram = Axes.hist

    def record(axes: Axes, values: NDArray[np.float64], **keywords: object) -> object:
        found = histogram(axes, values, **keywords)
        counted.append((values, found[0], keywords["bins"]))
        return found

    monkeypatch.setattr(Axes, "hist", record)
    values = np.random.default_rng(0).normal(size=(4096, 1, 1))
    picture = values_and_histogram(values, title="fc6")
    ((shown, counts, bins),) = counted
    np.testing.assert_array_equal(shown, values.ravel()[values.ravel() > 0])
    assert (int(counts.sum()), bins) == ((values > 0).sum(), 100)
    assert f"{(values > 0).sum():,} of 4,096 values are positive" in picture.caption
    one = values_and_histogram(np.array([-0.25]))
    assert one.caption == "1 value: -0.25" and one.height < 400
    assert values_and_histogram(np.zeros(5)).caption.endswith("0 of 5 values are positive (0%)")


def test_thousands_of_falling_values_do_not_hug_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    fill = Axes.fill_between

    def record(axes: Axes, at: NDArray[np.float64], low: object, high: object, **keywords: object) -> object:
        drawn.append((axes, at, high))
        return fill(axes, at, low, high, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(Axes, "fill_between", record)
    values = np.random.default_rng(0).permutation(np.r_[np.arange(1.0, 101), np.zeros(17_580)])
    values_and_histogram(values, order="strongest")
    ((axes, at, shown),) = drawn
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "10", "100", "1,000", "10,000"]
    np.testing.assert_allclose(np.interp([0, 1, 2, 3], at, shown), [100, 91, 1, 0], atol=1e-9)
    named = [words.get_text() for words in axes.texts]
    assert set(named) == {f"{np.flatnonzero(values == top)[0]}:  {top}" for top in (100, 99, 98, 97, 96)}
    values_and_histogram(values[:1000], order="strongest")  # each has a line of its own
    assert len(drawn) == 1


CHARTS = {
    "bars": lambda: prediction_chart(TOP, title="GoogLeNet"),
    "plot": lambda: probability_plot(PROBABILITIES),
    "values": lambda: values_and_histogram(np.arange(-5.0, 50)),
}


def settings() -> dict[str, object]:
    return {name: value for name, value in matplotlib.rcParams.items() if "backend" not in name}


@pytest.mark.parametrize("name", CHARTS)
def test_charts_are_deterministic_and_leave_matplotlib_alone(name: str) -> None:
    first = CHARTS[name]().encode()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9}):
        before = settings()
        assert CHARTS[name]().encode() == first
        assert settings() == before


def test_no_window_system_is_touched() -> None:
    assert not hasattr(figure, "pyplot")
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()


def test_labels_of_any_text_and_length_are_drawn_as_they_are() -> None:
    wild = [("$\\frac{1}{2}$ _x_ ^y^ {", 0.5), ("a" * 200, 0.3), ("line\nbreak", 0.1), ("", 0.05)]
    assert prediction_chart(wild).width == prediction_chart(TOP).width
    assert probability_plot(np.array([p for _, p in wild]), [name for name, _ in wild]).height > 100


@pytest.mark.parametrize(
    ("predictions", "words"),
    [
        ([], "at least one"),
        ([("a", 1.5)], "between 0 and 1; give the values after the softmax"),
        ([("a", np.nan)], "between"),
    ],
)
def test_what_is_no_prediction(predictions: list[tuple[str, float]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        prediction_chart(predictions)


def test_what_cannot_be_plotted() -> None:
    with pytest.raises(InputError, match="2 labels for 1000 classes"):
        probability_plot(PROBABILITIES, ["a", "b"])
    with pytest.raises(InputError, match="between 0 and 1"):
        probability_plot(PROBABILITIES * 9)
    for values in (np.array([]), np.array([np.nan])):
        with pytest.raises(InputError, match="a histogram needs at least one value"):
            values_and_histogram(values)


def test_a_chart_of_very_many_predictions_draws_the_first() -> None:
    picture = prediction_chart([(str(index), 0.001) for index in range(1000)])
    assert picture.caption.startswith("the 80 most probable classes")
    assert picture.height < 6000


def test_what_stands_below_a_chart_of_effects_stays_within_it() -> None:
    """A layer's long name drew the line beyond the right edge, where it was cut off."""
    measured = (
        "what the score of a class (a_layer_with_a_very_long_name@a_layer_with_a_long_name:281), 4.989,"
    )
    chart = effect_chart(
        [("act:1", 0.5, 0.0), ("act:2", 0.4, 0.0)], measured=f"{measured} loses where it answers 0"
    )
    page = np.array(rgb(THEMES["light"].page))
    assert (chart.array[:, -4:] == page).all()
    short = effect_chart([("act:1", 0.5, 0.0), ("act:2", 0.4, 0.0)], measured="what it loses")
    assert chart.height > short.height and chart.width == short.width
