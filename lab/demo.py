"""The demo: three blank hosts become a highly available zone, and stay up to look around."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from lab.machines import Lab, LabFault

_ROOT = Path(__file__).resolve().parent.parent
_ENGINE = str(_ROOT / "scripts" / "engine")
HOSTS = 3


def main(argv: list[str]) -> int:
    """Boot, build, show. The exit status is the engine's."""
    parser = argparse.ArgumentParser(prog="python -m lab.demo", description=__doc__)
    parser.add_argument("--repository", metavar="DIR_OR_URL", help="OpenNebula's packages")
    arguments = parser.parse_args(argv)
    lab = Lab()
    try:
        if not lab.is_up:
            _say(f"booting {HOSTS} blank hosts")
            lab.up(HOSTS, arguments.repository)
        _say("building the zone with stack lab: make up STACK=lab")
        begin = time.monotonic()
        done = subprocess.run([_ENGINE, "up", "lab"], check=False)
        seconds = time.monotonic() - begin
        if done.returncode:
            _say("the lab stays up; 'make up' goes on, 'make demo-down' removes it")
            return done.returncode
        _show(lab, seconds)
    except LabFault as fault:
        print(f"demo: {fault}", file=sys.stderr)
        return 1
    return 0


def _show(lab: Lab, seconds: float) -> None:
    outputs = _outputs()
    leader = outputs["leader"]
    print(lab.host(leader).run("runuser -u oneadmin -- onezone show 0").stdout.rstrip())
    addresses = {
        host.name: host.run("ip -o -4 address show dev eth0").stdout for host in lab.hosts
    }
    vip = outputs["endpoint"].split("//")[1].split(":")[0]
    holders = [name for name, text in addresses.items() if f" {vip}/" in text]
    print(
        f"\nThe VIP {vip} is on {', '.join(holders) or 'no host'}; the leader is {leader}.\n"
        f"It took {seconds:.0f} s from blank hosts.\n\n"
        "Look around:\n"
        f"  .venv/bin/python -m lab ssh {leader}      log in to a host (sudo needs no password)\n"
        "  make preview                         nothing to change, and no host is asked\n"
        "  make refresh                         compare the hosts with the stack\n"
        f"  .venv/bin/python -m lab kill {leader}     power the leader off, see the VIP move\n"
        f"  .venv/bin/python -m lab start {leader}    power it on again\n"
        "  make destroy                         take the zone down\n"
        "  make demo-down                       remove every trace of the lab"
    )


def _outputs() -> dict[str, str]:
    said = subprocess.run(
        [_ENGINE, "outputs", "lab"], check=True, capture_output=True, text=True
    ).stdout
    outputs: dict[str, str] = json.loads(said)
    return outputs


def _say(text: str) -> None:
    print(f"demo: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
