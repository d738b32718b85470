"""`oneuser`, `onegroup` and `oneacl`: the parts that a control plane's tests need."""

import argparse

from . import cli


def oneuser(arguments: list[str]) -> int:
    """Run `oneuser`; return its exit status."""
    parser = argparse.ArgumentParser(prog="oneuser")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create")
    create.add_argument("name")
    create.add_argument("password", nargs="?", default="")
    create.add_argument("--driver", default="")
    create.add_argument("--group", default="1")
    commands.add_parser("list", parents=[_form()])
    commands.add_parser("show", parents=[_form()]).add_argument("user", nargs="?", default="-1")
    commands.add_parser("delete").add_argument("user")
    options = parser.parse_args(cli.take_endpoint(arguments))
    return cli.run(lambda: _oneuser(options))


def onegroup(arguments: list[str]) -> int:
    """Run `onegroup`; return its exit status."""
    parser = argparse.ArgumentParser(prog="onegroup")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("create").add_argument("name")
    options = parser.parse_args(cli.take_endpoint(arguments))
    return cli.run(lambda: print(f"ID: {cli.ask('one.group.allocate', options.name)}"))


def oneacl(arguments: list[str]) -> int:
    """Run `oneacl`; return its exit status. A rule is four numbers in hexadecimal."""
    parser = argparse.ArgumentParser(prog="oneacl")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create")
    for part in ("user", "resource", "rights"):
        create.add_argument(part)
    create.add_argument("zone", nargs="?", default=f"{1 << 34:x}")
    options = parser.parse_args(cli.take_endpoint(arguments))
    rule = (options.user, options.resource, options.rights, options.zone)
    return cli.run(lambda: print(f"ID: {cli.ask('one.acl.addrule', *rule)}"))


def _form() -> argparse.ArgumentParser:
    form = argparse.ArgumentParser(add_help=False)
    form.add_argument("-x", "--xml", dest="form", action="store_const", const="xml", default="")
    form.add_argument("-j", "--json", dest="form", action="store_const", const="json")
    return form


def _oneuser(options: argparse.Namespace) -> int:
    if options.command == "create":
        number = cli.ask(
            "one.user.allocate",
            options.name,
            options.password,
            options.driver,
            [int(options.group)],
        )
        print(f"ID: {number}")
        return 0
    if options.command == "list":
        pool = cli.ask_xml("one.userpool.info")
        if options.form:
            cli.show_document(pool, options.form)
            return 0
        columns = [("ID", 4), ("NAME", -20), ("ENAB", 4), ("GROUP", -10), ("AUTH", -15)]
        rows = [
            [
                user.findtext("ID", ""),
                user.findtext("NAME", ""),
                "yes",
                user.findtext("GNAME", ""),
                user.findtext("AUTH_DRIVER", ""),
            ]
            for user in pool.findall("USER")
        ]
        print(cli.table(columns, rows))
        return 0
    own = options.user == "-1"
    number = -1 if own else cli.find_id("one.userpool.info", options.user, "USER")
    if options.command == "delete":
        cli.ask("one.user.delete", number)
    else:
        user = cli.ask_xml("one.user.info", number)
        if options.form:
            cli.show_document(user, options.form)
            return 0
        heading = f"USER {user.findtext('ID')} INFORMATION"
        print(f"{heading:<80}")
        for label, name in (("ID", "ID"), ("NAME", "NAME"), ("GROUP", "GNAME")):
            print(f"{label:<16}: {user.findtext(name)}")
    return 0
