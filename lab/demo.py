"""The demo: three blank hosts become a highly available zone, and stay up to look around."""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

from lab.machines import Lab, LabFault

_ROOT = Path(__file__).resolve().parent.parent
_PULUMI = str(_ROOT / "scripts" / "pulumi")
_LAB = ".venv/bin/python -m lab"
_VIP = "10.2.50.86"
HOSTS = 3


def main(argv: list[str]) -> int:
    """Boot the hosts, build the zone and show it. Return the exit status of the CLI."""
    parser = argparse.ArgumentParser(prog="python -m lab.demo", description=__doc__)
    parser.add_argument("--repository", metavar="DIR_OR_URL", help="OpenNebula's packages")
    arguments = parser.parse_args(argv)
    try:
        return _demonstrate(Lab(), arguments.repository)
    except LabFault as fault:
        print(f"demo: {fault}", file=sys.stderr)
    except KeyboardInterrupt:
        print("demo: interrupted; 'make demo' resumes, 'make demo-down' removes the lab")
    return 1


def _demonstrate(lab: Lab, repository: str | None) -> int:
    blank = not lab.is_up
    if blank:
        _say(f"booting {HOSTS} blank hosts")
        lab.up(HOSTS, repository)
    elif repository:
        raise LabFault(
            "a lab is already up, with other packages; run 'make demo-down' first to use those of"
            " another repository"
        )
    else:
        _say("the lab is already up; run 'make demo-down' first to get blank hosts")
    _say("building the zone: make up STACK=lab")
    begin = time.monotonic()
    status = _up()
    seconds = time.monotonic() - begin
    if status:
        _say("the lab stays up; 'make up' resumes, 'make demo-down' removes it")
        return status
    _show(lab, f"It took {seconds:.0f} s{' from blank hosts' if blank else ''}.")
    return 0


def _up() -> int:
    with subprocess.Popen([_PULUMI, "lab", "up"]) as cli:
        while True:
            try:
                return cli.wait()
            except KeyboardInterrupt:
                # The CLI was interrupted too, and ends by itself.
                continue


def _show(lab: Lab, duration: str) -> None:
    """Show the zone and the VIP as the hosts report them, not as the state has them."""
    awake = [host for host in lab.hosts if host.is_running]
    shown = awake[0].run("runuser -u oneadmin -- onezone show 0")
    if shown.returncode:
        raise LabFault(f"onezone show on {awake[0].name}: {(shown.stderr or shown.stdout).strip()}")
    addresses = {host.name: host.run("ip -o -4 address show dev eth0").stdout for host in awake}
    holders = [name for name, text in addresses.items() if f" {_VIP}/" in text]
    found = re.search(r"^ *\d+ (\S+) +leader ", shown.stdout, re.MULTILINE)
    leader = found[1] if found else awake[0].name
    print("\n".join(line.rstrip() for line in shown.stdout.splitlines()))
    print(f"\nThe VIP {_VIP} is on {', '.join(holders) or 'no host'}; the leader is {leader}.")
    print(f"{duration}\n\nLook around:")
    for command, meaning in (
        (f"{_LAB} ssh {leader}", "log in to the leader (sudo needs no password)"),
        ("make preview", "nothing to change; no host is contacted"),
        ("make refresh", "compare the hosts with the stack"),
        (f"{_LAB} kill {leader}", "cut the power of the leader, see the VIP move"),
        (f"{_LAB} start {leader}", "start it again"),
        ("make destroy", "take the zone down; 'make up' brings it back"),
        ("make demo-down", "remove every trace of the lab"),
    ):
        print(f"  {command:<36}{meaning}")


def _say(text: str) -> None:
    print(f"demo: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
