"""More calls of the engine at a time than the SDK has threads for."""

import threading
from concurrent.futures import ThreadPoolExecutor

from providers.threads import widen


def test_as_many_calls_as_front_ends_are_at_work_at_once() -> None:
    together = threading.Barrier(7)
    with ThreadPoolExecutor(max_workers=4) as pool:
        # Whoever comes first is one of them; the others wait in the queue by then.
        calls = [pool.submit(call, together) for _ in range(7)]
        assert sorted(one.result(timeout=20) for one in calls) == list(range(7))


def call(together: threading.Barrier) -> int:
    widen(7)
    return together.wait(timeout=10)


def test_a_pool_that_has_enough_stays_as_it_is() -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        pool.submit(widen, 3).result()
        assert pool._max_workers == 4


def test_outside_a_pool_nothing_happens() -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        widen(9)
        assert pool._max_workers == 4
