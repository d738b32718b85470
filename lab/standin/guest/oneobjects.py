"""`oneuser`, `onegroup` and `oneacl`: the parts that a control plane's tests need."""

import argparse
from xml.etree import ElementTree

from . import cli

_COLUMNS = {
    "ID": ("ID", 4),
    "NAME": ("NAME", -20),
    "GNAME": ("GROUP", -10),
    "AUTH_DRIVER": ("AUTH", -15),
}


def oneuser(arguments: list[str]) -> int:
    """Run `oneuser`; return its exit status."""
    parser = argparse.ArgumentParser(prog="oneuser")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create")
    create.add_argument("name")
    create.add_argument("password")
    create.add_argument("--group", type=int, default=1)
    commands.add_parser("delete").add_argument("user")
    commands.add_parser("list")
    show = commands.add_parser("show")
    show.add_argument("user", nargs="?", type=int, default=-1)
    show.add_argument("-x", "--xml", action="store_true")
    options = parser.parse_args(arguments)
    return cli.run(lambda: _oneuser(options))


def onegroup(arguments: list[str]) -> int:
    """Run `onegroup`; return its exit status."""
    parser = argparse.ArgumentParser(prog="onegroup")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("create").add_argument("name")
    options = parser.parse_args(arguments)
    return cli.run(lambda: print(f"ID: {cli.ask('one.group.allocate', options.name)}"))


def oneacl(arguments: list[str]) -> int:
    """Run `oneacl`; return its exit status. A rule is three numbers in hexadecimal."""
    parser = argparse.ArgumentParser(prog="oneacl")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create")
    for part in ("user", "resource", "rights"):
        create.add_argument(part)
    options = parser.parse_args(arguments)
    rule = (options.user, options.resource, options.rights)
    return cli.run(lambda: print(f"ID: {cli.ask('one.acl.addrule', *rule)}"))


def _oneuser(options: argparse.Namespace) -> None:
    if options.command == "create":
        number = cli.ask("one.user.allocate", options.name, options.password, "", [options.group])
        print(f"ID: {number}")
        return
    if options.command == "delete":
        cli.ask("one.user.delete", cli.find_id("one.userpool.info", options.user, "USER"))
        return
    if options.command == "list":
        users = cli.ask_xml("one.userpool.info").findall("USER")
        rows = [[user.findtext(tag, "") for tag in _COLUMNS] for user in users]
        print(cli.table([*_COLUMNS.values()], rows))
        return
    user = cli.ask_xml("one.user.info", options.user)
    if options.xml:
        ElementTree.indent(user)
        print(ElementTree.tostring(user, encoding="unicode"))
        return
    print(f"USER {user.findtext('ID')} INFORMATION".ljust(80))
    for label, name in (("ID", "ID"), ("NAME", "NAME"), ("GROUP", "GNAME")):
        print(f"{label:<16}: {user.findtext(name)}")
