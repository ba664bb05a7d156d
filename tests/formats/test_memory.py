import numpy as np
import pytest

from convscope.formats.memory import limited_memory

resource = pytest.importorskip("resource")


def test_more_than_the_ceiling_fails_and_the_ceiling_goes_away():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with limited_memory(2**28), pytest.raises(MemoryError):
        np.empty(2**30, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert np.empty(2**30, np.uint8).size == 2**30


def test_less_is_fine():
    with limited_memory(2**28):
        assert np.ones(2**26, np.uint8).all()


def test_an_error_inside_lifts_the_ceiling_too():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(KeyError), limited_memory(2**28):
        raise KeyError
    assert resource.getrlimit(resource.RLIMIT_AS) == before
