"""Runs a Pulumi program against an engine, in a process of its own.

Started as a script by the engine with one JSON argument; the counterpart of the CLI's
language host for Python.
"""

import asyncio
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

import pulumi
import pulumi.runtime

# The engine shows no further message for this exit status.
ALREADY_EXPLAINED = 32


def main() -> int:
    """Run the program that the argument describes."""
    task = json.loads(sys.argv[1])
    # What the interpreter put first is this file's directory, no business of the program.
    sys.path.pop(0)
    sys.argv = [task["main"]]
    os.chdir(task["main"])
    pulumi.runtime.set_all_config(
        pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env()
    )
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=task["monitor"],
            engine=task["engine"],
            project=task["project"],
            stack=task["stack"],
            parallel=task["parallel"],
            dry_run=task["dry_run"],
            organization="organization",
            root_directory=task["root"],
        )
    )
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(task["parallel"], 1) * 4)
    loop.set_default_executor(executor)
    # A run that ends early leaves futures that nobody awaits; asyncio would tell of each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    def run() -> None:
        runpy.run_path(task["main"], run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return ALREADY_EXPLAINED
    except Exception:
        pulumi.log.error(
            "Program failed with an unhandled exception:\n" + _users_part(task["main"])
        )
        return ALREADY_EXPLAINED
    finally:
        executor.shutdown(wait=True)
        loop.close()
    return 0


def _users_part(directory: str) -> str:
    """Return the current traceback from the program's own first frame on."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    for index, frame in enumerate(frames):
        if frame.filename.startswith(directory):
            return traceback.format_exc(limit=index - len(frames))
    return traceback.format_exc()


if __name__ == "__main__":
    sys.exit(main())
