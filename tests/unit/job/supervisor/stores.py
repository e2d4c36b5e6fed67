"""Horovod's store, served as the supervisor does it."""

from __future__ import annotations

import selectors
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from slurmtf.job.supervisor.gloo import Store


@contextmanager
def serving(sizes: Mapping[str, int], allowed: Sequence[str] = ()) -> Iterator[Store]:
    """Serve a store, in a thread that stands for the supervisor's loop."""
    selector = selectors.DefaultSelector()
    store = Store(selector, allowed, sizes)
    over = threading.Event()

    def loop() -> None:
        while not over.is_set():
            for key, _ in selector.select(0.02):
                key.data()
            store.tick()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield store
    finally:
        over.set()
        thread.join()
        store.close()
        assert not selector.get_map()
