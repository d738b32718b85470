"""The changes of the SDK in providers.runtime, and the parts of the SDK on which they rely."""

import inspect
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pulumi import dynamic
from pulumi.runtime import rpc, settings

from providers.runtime import PROVIDER_KEY, widen
from tests.engine.playground import SIGNATURE


def test_as_many_calls_as_front_ends_run_at_once() -> None:
    together = threading.Barrier(7)
    with ThreadPoolExecutor(max_workers=4) as pool:
        # The first call is one of them; the others are in the queue by then.
        calls = [pool.submit(call, together) for _ in range(7)]
        assert sorted(one.result(timeout=20) for one in calls) == list(range(7))


def call(together: threading.Barrier) -> int:
    widen(7)
    return together.wait(timeout=10)


def test_a_pool_of_sufficient_size_is_unchanged() -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        pool.submit(widen, 3).result()
        assert pool._max_workers == 4


def test_outside_a_pool_nothing_happens() -> None:
    with ThreadPoolExecutor(max_workers=4) as pool:
        widen(9)
        assert pool._max_workers == 4


def test_the_sdk_has_the_parts_that_are_changed() -> None:
    """None of these is a public interface. Read the SDK's new version before changing this test."""
    # The import of this module runs it.
    host = Path(dynamic.__file__).with_name("__main__.py").read_text(encoding="utf-8")
    # hide_tracebacks replaces this function; recorded finds the call's context in this
    # handler's frame.
    assert re.search(
        r"def wrapper\(self, request, context\):\s+try:\s+return fn\(self, request, context\)\s+"
        r"except [^\n]+\n\s+context\.abort\(grpc\.StatusCode\.UNKNOWN, traceback\.format_exc\(\)\)",
        host,
    )
    # on_interrupt intercepts this answer.
    assert re.search(r"def Cancel\(self, [^)]*\):\s+return empty_pb2\.Empty\(\)", host)
    assert "from google.protobuf import empty_pb2" in host
    # widen gives this pool more threads.
    assert "futures.ThreadPoolExecutor(max_workers=4)" in host
    # exit_with_engine replaces this function, which is looked up at each call.
    assert callable(settings.grpc_error_to_exception)
    assert "grpc_error_to_exception(" in inspect.getsource(settings.handle_grpc_error)
    # The answer to a failed update has it under this name.
    assert f'PROVIDER_KEY = "{PROVIDER_KEY}"' in host
    # speed_up has the engine refuse a value with this key.
    assert rpc._special_sig_key == SIGNATURE
