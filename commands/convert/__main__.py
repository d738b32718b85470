"""`make convert INVENTORY=inventory.yml STACK=production`: a stack from one-deploy's inventory."""

import argparse
import contextlib
import getpass
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from commands.convert import stack_file, vault, with_ansible
from commands.convert.inventory import Inventory, InventoryError
from commands.convert.keys import convert
from commands.convert.report import Invocation, report
from hosts.errors import printable

FOLDER = Path("stacks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert as the arguments say; return the exit status. Reports a mistake in one message."""
    options = _parser().parse_args(arguments)
    try:
        return _secret(options) if options.secret else _convert(options)
    except InventoryError as error:
        print(f"error: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; nothing is written", file=sys.stderr)
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make convert", description="Write a stack's file from an inventory of one-deploy."
    )
    parser.add_argument("inventory", help="a file in YAML or INI, or a folder of them")
    parser.add_argument("--stack", default="production", help="its name (production)")
    parser.add_argument("--group", default="", help="the front-ends' group (frontend)")
    parser.add_argument("--look", action="store_true", help="compare with the zone that runs")
    parser.add_argument("--force", action="store_true", help="replace the file that is there")
    parser.add_argument(
        "--vault-password-file",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="file with the password of ansible-vault, or a program that prints it",
    )
    parser.add_argument("--ask-vault-password", action="store_true", help="ask for it")
    parser.add_argument("--secret", metavar="KEY", help="print that secret of the stack, no more")
    return parser


def _inventory(options: argparse.Namespace) -> Inventory:
    if not options.inventory:
        raise InventoryError("expected an inventory: make convert INVENTORY=inventory.yml STACK=…")
    path = Path(options.inventory).expanduser()
    files = list(options.vault_password_file)
    if not files and (named := os.environ.get("ANSIBLE_VAULT_PASSWORD_FILE")):
        files.append(Path(named).expanduser())
    passwords = [vault.password_of(file) for file in files]
    if options.ask_vault_password:
        passwords.append(getpass.getpass("Vault password: "))
    return with_ansible.read(path, passwords)


def _convert(options: argparse.Namespace) -> int:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", options.stack):
        raise InventoryError(
            f"expected a stack's name of letters, digits and _.-, saw {options.stack!r}"
        )
    path = FOLDER / f"Pulumi.{options.stack}.yaml"
    if path.exists() and not options.force:
        raise InventoryError(
            f"{path} already exists and stays as it is: choose another STACK, or FORCE=1 to write"
            " a new one (encrypted values are kept)"
        )
    inventory = _inventory(options)
    made = convert(inventory, group=options.group)
    kept = stack_file.kept_of(path) if path.exists() else {}
    text = stack_file.text_of(made, Path(options.inventory).name, kept)
    faults = stack_file.faults(made, text)
    seen = None
    if options.look:
        # Paramiko is only needed for a look.
        from commands.convert.look import look  # noqa: PLC0415

        seen = list(look(made))
    stack_file.write(path, text)
    repeated = [f"--vault-password-file={file}" for file in options.vault_password_file]
    repeated += ["--ask-vault-password"] if options.ask_vault_password else []
    repeated += [f"--group={options.group}"] if options.group else []
    command = Invocation(options.stack, str(options.inventory), tuple(repeated))
    lines = report(inventory, made, command, str(path), faults, seen=seen)
    print(printable("\n".join(lines)))
    return 0


def _secret(options: argparse.Namespace) -> int:
    if sys.stdout.isatty():
        raise InventoryError(
            "a secret is not printed on the screen: pipe it to scripts/pulumi STACK config set"
            f" --secret {options.secret}"
        )
    secret = convert(_inventory(options), group=options.group).secrets.get(options.secret)
    if secret is None or not secret.source:
        raise InventoryError(f"the inventory has no secret for the stack's key {options.secret}")
    if secret.value is None:
        raise InventoryError(
            f"{secret.source} is encrypted, or a template without a value:"
            " --vault-password-file FILE has the vault's password"
        )
    sys.stdout.write(secret.value)
    return 0


if __name__ == "__main__":
    sys.exit(main())
