"""Fixtures every test may use."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real networks and pictures beside the repository, or a skip that says what is missing."""
    if not SHARED_DATA.is_dir():
        pytest.skip(
            "needs the real networks and pictures of ../shared/data, which are not part of the repository"
        )
    return SHARED_DATA
