"""Dask's workers as an executor: whoever can see the atlas's folder may make its shards."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from convscope.errors import InputError

_PATIENCE = "15s"  # for the scheduler's first answer


@contextmanager
def dask_executor(address: str) -> Iterator[tuple[Executor, int]]:
    """Yield the executor of a Dask scheduler (``tcp://host:8786``), and how many threads its workers have.

    A worker that is killed costs the shard it was at: Dask gives that to another. InputError where Dask is not
    installed, nobody answers at the address, or no worker is there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("Dask is not installed: pip install 'convscope[cluster]'") from error
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        raise InputError(
            f"no Dask scheduler answers at {address!r}: {error or 'it took too long'}"
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise InputError(f"the scheduler at {address} has no workers: start one (dask worker {address})")
        # pure=True would take two calls with the same arguments for one.
        yield client.get_executor(pure=False), threads
