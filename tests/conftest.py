"""Fixtures every test may use."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from convscope.formats.caffe.layers import TRANSLATORS
from convscope.formats.registration import CUSTOM_LAYERS
from convscope.network.operations import OPERATIONS

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


# A busy machine is no fault: tests of what is right have no time limit of their own. One commit passes or fails every
# time: the examples are the same ones; `make fuzz` looks for others.
settings.register_profile(
    "convscope", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("convscope")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read nor fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVSCOPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def own_layers() -> Iterator[None]:
    """What a test registers is forgotten with it: the tables of layers and operations are the same for the next."""
    kept = [(table, dict(table)) for table in (TRANSLATORS, CUSTOM_LAYERS, OPERATIONS)]
    yield
    for table, before in kept:
        if table != before:
            table.clear()
            table.update(before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real networks and pictures beside the repository, or a skip that says what is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip(
            "needs the real networks and pictures of ../shared/data, which are not part of the repository"
        )
    return SHARED_DATA


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """A small picture, in a file."""
    path = tmp_path / "photograph.png"
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(path)
    return path
