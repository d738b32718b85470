"""As many resources at a time as there are front-ends.

The SDK's provider host has four threads, whatever the engine asks for: see ``main`` of
``pulumi.dynamic.__main__``. A fifth front-end would wait for its packages until another has them.
"""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor


def widen(threads: int) -> None:
    """Have the pool that the calling thread works for that many threads, if it has fewer.

    Does nothing where there is no such pool, or no way to tell it: then four are at work.
    """
    # A pool names its threads after itself.
    mine = threading.current_thread().name.rpartition("_")[0]
    for pool in gc.get_objects():
        if type(pool) is ThreadPoolExecutor and getattr(pool, "_thread_name_prefix", "") == mine:
            missing = threads - getattr(pool, "_max_workers", threads)
            if missing > 0:
                pool._max_workers = threads
            for _ in range(missing):
                # Each thread begins with something to do; what waits already is taken on then.
                pool.submit(int)
