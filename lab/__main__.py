"""The lab's command line: `python -m lab --help`."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

from lab.machines import Lab, LabFault
from lab.machines.cache import clean
from lab.machines.lab import Template

_HOST_FAULTS = {
    "kill": "cut the power of a host",
    "start": "start a host",
    "reboot": "reboot a host cleanly",
    "freeze": "freeze all processes on a host",
    "thaw": "continue a frozen host",
    "partition": "cut a host off from all others, and from your machine",
    "heal": "undo all partitions and cuts of a host",
    "fill-disk": "fill the disk of a host",
    "free-disk": "free the space that fill-disk took",
}


def main(argv: list[str]) -> int:
    """Run one command; return the exit status: 0 if it succeeded."""
    words, command = _split(argv)
    arguments = _parser().parse_args(words)
    try:
        return _run(arguments, command)
    except LabFault as fault:
        print(f"lab: {fault}", file=sys.stderr)
    except PermissionError as error:
        print(f"lab: {error}; the lab needs root, use sudo", file=sys.stderr)
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
    return 1


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in argv:
        return argv, []
    place = argv.index("--")
    return argv[:place], argv[place + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab", description="Disposable hosts on an isolated network."
    )
    parser.add_argument(
        "--name", default=os.environ.get("LAB_NAME", "lab"), help="which lab (default: %(default)s)"
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, help_ in (
        ("up", "boot a lab that stays up until `down`"),
        ("run", "boot a lab, run `-- COMMAND` in its control namespace, remove the lab"),
    ):
        action = actions.add_parser(name, help=help_)
        action.add_argument("--hosts", type=int, default=3, metavar="N")
        action.add_argument(
            "--repository",
            metavar="DIR_OR_URL",
            help="OpenNebula's own packages: a directory laid out like its repository, or the URL "
            "of one version, which is copied: BASE/VERSION/Debian/12",
        )
        action.add_argument("--wait-scale", type=float, default=1.0, metavar="X")
        action.add_argument("--template", choices=get_args(Template), default="blank")
    prepare = actions.add_parser("prepare", help="create what the first lab would create")
    prepare.add_argument("--template", choices=get_args(Template), default="blank")
    actions.add_parser("down", help="remove every trace of the lab")
    actions.add_parser("exec", help="run `-- COMMAND` in the control namespace")
    actions.add_parser("status", help="show the hosts")
    actions.add_parser("clean", help="remove the cached templates and repositories")
    actions.add_parser("add", help="boot one more host").add_argument(
        "host", nargs="?", metavar="HOST"
    )
    actions.add_parser("ssh", help="log in to a host, or run `-- COMMAND` there").add_argument(
        "host", metavar="HOST"
    )
    cut = actions.add_parser("cut", help="cut two hosts off from each other, until one is healed")
    cut.add_argument("one", metavar="A")
    cut.add_argument("other", metavar="B")
    delay = actions.add_parser("delay", help="delay the network traffic of a host")
    delay.add_argument("host", metavar="HOST")
    delay.add_argument(
        "milliseconds", type=float, metavar="MS", help="in each direction; 0 removes the delay"
    )
    for name, help_ in _HOST_FAULTS.items():
        actions.add_parser(name, help=help_).add_argument("host", metavar="HOST")
    return parser


def _run(arguments: argparse.Namespace, command: list[str]) -> int:
    state = os.environ.get("LAB_STATE") if arguments.name == os.environ.get("LAB_NAME") else None
    lab = Lab(arguments.name, Path(state) if state else None)
    match arguments.action:
        case "up":
            lab.up(arguments.hosts, arguments.repository, arguments.wait_scale, arguments.template)
            print("\n".join(lab.status()))
        case "run":
            return _run_in_new_lab(lab, arguments, command)
        case "prepare":
            Lab.prepare(arguments.template)
        case "down":
            lab.down()
        case "exec":
            _become(lab, _given(command, "exec"))
        case "ssh":
            _become(lab, lab.ssh_argv(arguments.host, command))
        case "status":
            print("\n".join(lab.status()))
        case "add":
            host = lab.add_host(arguments.host)
            print(host.name, host.address)
        case "cut":
            lab.cut(arguments.one, arguments.other)
        case "delay":
            lab.host(arguments.host).delay(arguments.milliseconds)
        case "clean":
            clean()
        case fault:
            getattr(lab.host(arguments.host), fault.replace("-", "_"))()
    return 0


def _run_in_new_lab(lab: Lab, arguments: argparse.Namespace, command: list[str]) -> int:
    _given(command, "run")
    with Lab.running(
        lab.name,
        arguments.hosts,
        arguments.repository,
        arguments.wait_scale,
        arguments.template,
        lab.state,
    ):
        try:
            with lab.popen(command) as process:
                return process.wait()
        except subprocess.SubprocessError as error:
            raise LabFault(str(error)) from None


def _given(command: list[str], action: str) -> list[str]:
    if not command:
        raise LabFault(f"`{action}` needs a command: python -m lab {action} -- COMMAND")
    return command


def _become(lab: Lab, command: list[str]) -> None:
    argv = lab.control_argv(command)
    sys.stdout.flush()
    os.execvpe(argv[0], argv, lab.control_environment())  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
