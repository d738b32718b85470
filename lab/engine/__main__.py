"""The stand-in's command line."""

import argparse
import json
import sys
from pathlib import Path

from lab.engine.display import notice
from lab.engine.engine import Engine, Result, result_to_json
from lab.engine.errors import EngineError
from lab.engine.values import masked, shown


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--stack", required=True)
    common.add_argument("--cwd", type=Path, default=Path())
    common.add_argument("--config-file", type=Path)
    common.add_argument("--json", action="store_true")
    run = argparse.ArgumentParser(add_help=False)
    run.add_argument("--parallel", type=int)
    run.add_argument("--expect-no-changes", action="store_true")
    run.add_argument("--diff", action="store_true", help="show what changes in each resource")
    agreed = argparse.ArgumentParser(add_help=False)
    agreed.add_argument("--yes", "-y", action="store_true", help="go ahead without asking")
    program = argparse.ArgumentParser(add_help=False)
    program.add_argument("--refresh", action="store_true", help="refresh first")
    program.add_argument("--replace", action="append", default=[], metavar="URN")

    parser = argparse.ArgumentParser(prog="python -m lab.engine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("preview", parents=[common, run, program])
    commands.add_parser("up", parents=[common, run, program, agreed])
    refresh = commands.add_parser("refresh", parents=[common, run, agreed])
    refresh.add_argument("--clear-pending-creates", action="store_true")
    commands.add_parser("destroy", parents=[common, run, agreed])
    output = commands.add_parser("stack-output", parents=[common])
    output.add_argument("name", nargs="?")
    output.add_argument("--show-secrets", action="store_true")
    commands.add_parser("stack-export", parents=[common])
    config = commands.add_parser("config", parents=[common])
    config.add_argument("what", nargs="*", help="set KEY [VALUE], rm KEY, or nothing: show all")
    config.add_argument("--secret", action="store_true")
    config.add_argument("--path", action="store_true", help="the key is a path into an object")
    config.add_argument("--show-secrets", action="store_true")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = _parser()
    options, more = parser.parse_known_args(arguments)
    if options.command == "config" and not any(word.startswith("-") for word in more):
        # The CLI takes options before, between and after them.
        options.what += more
    elif more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    notice()
    try:
        return _run(options)
    except EngineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 255


def _run(options: argparse.Namespace) -> int:
    engine = Engine(
        options.cwd,
        options.stack,
        config_file=options.config_file,
        parallel=getattr(options, "parallel", None),
        stream=sys.stderr if options.json else sys.stdout,
        show_changes=getattr(options, "diff", False),
    )
    match options.command:
        case "stack-output":
            return _print_outputs(engine, options)
        case "stack-export":
            print(json.dumps(engine.export(), indent=4))
            return 0
        case "config":
            _configure(engine, options)
            return 0
    if not getattr(options, "yes", True):
        raise EngineError(f"{options.command} changes things: --yes is needed")
    result = _operate(engine, options)
    if options.json:
        print(result_to_json(result))
    if result.ok and options.expect_no_changes and result.changes:
        print("error: no changes were expected but changes occurred", file=sys.stderr)
        return 1
    return result.exit_status


def _configure(engine: Engine, options: argparse.Namespace) -> None:
    match options.what:
        case [] if options.json and options.show_secrets:
            print(json.dumps(engine.config_to_json(), indent=2))
        case ["rm", key]:
            engine.remove_config(key)
        case ["set", key, *given] if len(given) < 2:
            value = given[0] if given else sys.stdin.read().rstrip("\n")
            engine.set_config(key, value, secret=options.secret, path=options.path)
        case _:
            raise EngineError("config: set KEY [VALUE], rm KEY, or --json --show-secrets")


def _operate(engine: Engine, options: argparse.Namespace) -> Result:
    match options.command:
        case "preview":
            return engine.preview(refresh=options.refresh, replace=tuple(options.replace))
        case "up":
            return engine.up(refresh=options.refresh, replace=tuple(options.replace))
        case "refresh":
            return engine.refresh(clear_pending_creates=options.clear_pending_creates)
        case _:
            return engine.destroy()


def _print_outputs(engine: Engine, options: argparse.Namespace) -> int:
    outputs = engine.outputs()
    form = shown if options.show_secrets else masked
    if options.name is None:
        print(json.dumps({key: form(value) for key, value in sorted(outputs.items())}, indent=2))
        return 0
    if options.name not in outputs:
        names = ", ".join(sorted(outputs)) or "none"
        raise EngineError(f"current stack does not have output property '{options.name}': {names}")
    value = form(outputs[options.name])
    print(value if isinstance(value, str) else json.dumps(value))
    return 0


if __name__ == "__main__":
    sys.exit(main())
