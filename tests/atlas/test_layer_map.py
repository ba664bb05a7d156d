"""The map of a layer: units that answer alike are neighbors, and what never changes stands apart."""

import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from convscope.atlas.layer_map import map_of, require_maps
from convscope.cli import main
from convscope.errors import InputError
from planted import planted_files

GROUPS = 4


def planted_answers(random: np.random.Generator) -> np.ndarray:
    """Return (pictures, units): every fourth unit follows one of four sources, unit 5 never changes."""
    sources = random.normal(size=(80, GROUPS))
    answers = sources[:, np.arange(61) % GROUPS] * random.uniform(0.5, 3, 61) + 0.4 * random.normal(
        size=(80, 61)
    )
    answers[:, 5] = 2.5
    return answers


def test_neighbors_on_the_map_are_of_one_group() -> None:
    pytest.importorskip("sklearn", reason="lays units out by scikit-learn, which is not installed")
    answers = planted_answers(np.random.default_rng(3))
    found = map_of(answers)
    cells = np.array(found.cells)
    assert cells[5] == -1 and found.side == 8 and len({*found.cells}) == 61
    assert found == map_of(answers)
    awake = np.flatnonzero(cells >= 0)
    places = np.stack(np.divmod(cells[awake], found.side), axis=1)
    distances = np.abs(places[:, None] - places[None]).max(2)
    beside = distances == 1
    same = (awake[:, None] % GROUPS) == (awake[None] % GROUPS)
    assert same[beside].mean() > 0.6 > 2 * same[~np.eye(len(awake), dtype=bool)].mean()
    assert found.trustworthiness is not None and 0.7 < found.trustworthiness <= 1
    shuffled = map_of(np.random.default_rng(1).normal(size=(80, 60)))
    assert shuffled.trustworthiness is not None and shuffled.trustworthiness < found.trustworthiness


def test_few_units_stand_in_their_order() -> None:
    pytest.importorskip("sklearn", reason="lays units out by scikit-learn, which is not installed")
    found = map_of(np.array([[0.0, 1, 5], [0, 2, 1], [0, 4, 3]]))
    assert found.cells == (-1, 0, 1) and found.trustworthiness is None


def test_what_is_missing_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["atlas", str(planted_files(tmp_path / "planted")), "-o", "atlas", "--maps"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2 and "give --photographs FOLDER" in result.output
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match=r"maps need scikit-learn: pip install 'convscope\[maps\]'"):
        require_maps()
