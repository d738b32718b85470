"""`onezone`: the zone and its servers."""

import argparse
from xml.etree import ElementTree

from . import cli
from .conf import read_document

_STATES = {"0": "solo", "1": "candidate", "2": "follower", "3": "leader"}
_ZONE_STATES = {"0": "ENABLED", "1": "DISABLED"}
_FIRST = {"ID": ("ID", 2), "NAME": ("NAME", -15)}
_SYNC_STATUS = {
    "STATE": ("STATE", -10),
    "TERM": ("TERM", -10),
    "LOG_INDEX": ("INDEX", -10),
    "COMMIT": ("COMMIT", -10),
    "VOTEDFOR": ("VOTE", -5),
    "FEDLOG_INDEX": ("FED_INDEX", -10),
}
_RAFT_VALUES = ("STATE", "TERM", "VOTEDFOR", "COMMIT", "LOG_INDEX", "FEDLOG_INDEX")
_RAFT_TIMEOUT_S = 5.0


def main(arguments: list[str]) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="onezone")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show").add_argument("zone")
    add = commands.add_parser("server-add")
    add.add_argument("zone")
    add.add_argument("-n", "--name", default="")
    add.add_argument("-r", "--rpc", default="")
    add.add_argument("-g", "--grpc-endpoint", dest="grpc", default="")
    for name in ("server-del", "server-reset"):
        one = commands.add_parser(name)
        one.add_argument("zone")
        one.add_argument("server")
    options = parser.parse_args(arguments)
    return cli.run(lambda: _dispatch(options))


def _dispatch(options: argparse.Namespace) -> int:
    zone = cli.find_id("one.zonepool.info", options.zone, "ZONE")
    match options.command:
        case "show":
            _show(zone)
        case "server-add":
            _add(zone, options)
        case "server-del":
            cli.ask("one.zone.delserver", zone, int(options.server))
        case "server-reset":
            cli.ask("one.zone.resetserver", zone, int(options.server))
    return 0


def _show(zone_id: int) -> None:
    zone = cli.ask_xml("one.zone.info", zone_id)
    servers = zone.findall("SERVER_POOL/SERVER")
    for server in servers:
        _add_raft_values(server)
    print(_heading(f"ZONE {zone.findtext('ID')} INFORMATION"))
    state = _ZONE_STATES.get(zone.findtext("STATE", ""), "")
    told = {"ID": zone.findtext("ID"), "NAME": zone.findtext("NAME"), "STATE": state}
    for name, value in told.items():
        print(f"{name:<18}: {value:<20}")
    print()
    if servers:
        print("\n" + _heading("ZONE SERVERS"))
        print(_columns(servers, {**_FIRST, "ENDPOINT": ("ENDPOINT", -63)}))
        print("\n" + _heading("HA & FEDERATION SYNC STATUS"))
        print(_columns(servers, {**_FIRST, **_SYNC_STATUS}))
    print("\n" + _heading("ZONE TEMPLATE"))
    for attribute in zone.find("TEMPLATE") or ():
        print(f'{attribute.tag}="{attribute.text or ""}"')


def _columns(servers: list[ElementTree.Element], columns: dict[str, tuple[str, int]]) -> str:
    """Return a table of the servers: tag to heading and width."""
    rows = [[_cell(server, tag) for tag in columns] for server in servers]
    return cli.table([*columns.values()], rows)


def _cell(server: ElementTree.Element, tag: str) -> str:
    text = server.findtext(tag, "")
    return _STATES.get(text, "error") if tag == "STATE" else text


def _add_raft_values(server: ElementTree.Element) -> None:
    """Add the values of the server itself; dashes if it does not answer."""
    try:
        address = server.findtext("ENDPOINT", "")
        answer = cli.ask("one.zone.raftstatus", at=address, timeout=_RAFT_TIMEOUT_S)
        status = read_document(str(answer))
    except cli.CommandError:
        status = ElementTree.Element("RAFT")
    for name in _RAFT_VALUES:
        ElementTree.SubElement(server, name).text = status.findtext(name, "-")


def _add(zone: int, options: argparse.Namespace) -> None:
    if not options.name or not (options.rpc or options.grpc):
        raise cli.CommandError(
            "To add a server set:\n\t-n <server name>\n\t-r <XML-RPC endpoint>\n"
            "\t-g <gRPC endpoint>"
        )
    print(f"{options.rpc}:{options.grpc}")
    if options.rpc and not options.rpc.startswith(("http://", "https://")):
        raise cli.CommandError("Wrong protocol specified. Only http or https allowed!")
    cli.ask(
        "one.zone.addserver",
        zone,
        f'SERVER = [ NAME="{options.name}", ENDPOINT="{options.rpc}",'
        f' ENDPOINT_GRPC="{options.grpc}" ]',
    )


def _heading(text: str) -> str:
    return f"{text:<80}"
