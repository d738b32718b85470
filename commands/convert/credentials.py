"""The secrets of an inventory. The report has a command that sets each of them. Pure."""

import shlex
from collections.abc import Mapping
from typing import Any

from commands.convert.conversion import Conversion, Secret
from commands.convert.inventory import unread
from commands.convert.source import Source

_SECRETS = ("one_pass", "one_token", "db_password")


def convert(source: Source) -> None:
    """Map the secrets, and report the missing ones."""
    made = source.made
    for key in _SECRETS:
        found = source.of_each(key)
        if key == "db_password" and source.is_sqlite:
            if found:
                made.needless(key, "SQLite has no accounts")
        elif (lacking := [unread(value) for value in found.values()]) and all(lacking):
            made.hide(Secret((key,), key), lacking[0].why if lacking[0] else "")
        elif (value := source.alike(key, secret_too=True)) is None:
            continue
        elif isinstance(value, str | int | float):
            made.hide(Secret((key,), key, str(value)))
        else:
            made.ask(key, "not converted: expected text")
    if "one_pass" not in made.secrets:
        command = f"ssh {_login(made)} sudo cat /var/lib/one/.one/one_auth | cut -d: -f2-"
        made.hide(Secret(("one_pass",), "", remedy=command))
        made.ask(
            "one_pass",
            "the inventory does not set it: the command below reads it from a front-end's one_auth",
        )
    if "db_password" not in made.secrets and not source.is_sqlite:
        made.hide(Secret(("db_password",), "", remedy="openssl rand -hex 24"))
        made.ask(
            "db_password",
            "the inventory does not set it, so it is one-deploy's public default: the command below"
            " generates a new one, which the up without adopt sets",
        )
    _auth(source)


def _auth(source: Source) -> None:
    made, value = source.made, source.alike("auth", secret_too=True)
    if value is None:
        return
    if not isinstance(value, dict):
        source.expected("auth", "an object", value)
        return
    auth = {key: item for key, item in value.items() if item is not None}
    auth, passwords = _without_passwords(auth)
    if not auth:
        made.needless("auth", "it has no value")
        return
    if source.inventory.is_secret(auth):
        made.ask("auth", "not converted: more than its passwords is encrypted. Set it yourself")
        return
    made.take("auth", auth)
    for server, password in passwords.items():
        path = ("auth", "ldap", "config", server, ":password")
        made.hide(Secret(path, ".".join(path), password))


def _without_passwords(auth: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Return auth without the passwords of LDAP servers, and these; None for unreadable ones."""
    passwords: dict[str, str | None] = {}
    ldap = auth.get("ldap")
    config = ldap.get("config") if isinstance(ldap, dict) else None
    if not isinstance(ldap, dict) or not isinstance(config, dict):
        return dict(auth), passwords
    servers = {}
    for name, server in config.items():
        servers[name] = server
        if isinstance(server, dict) and server.get(":password") is not None:
            servers[name] = {key: item for key, item in server.items() if key != ":password"}
            value = server[":password"]
            passwords[name] = None if unread(value) else str(value)
    return {**auth, "ldap": {**ldap, "config": servers}}, passwords


def _login(made: Conversion) -> str:
    """Return ssh's arguments for the first front-end with an address."""
    ssh = made.config.get("ssh", {})
    entry = next((each for each in made.config["frontends"].values() if each.get("address")), None)
    if entry is None:
        return "FRONT-END"
    own = entry.get("ssh", {})
    words = []
    if bastion := ssh.get("bastion"):
        words += ["-J", bastion]
    if (port := own.get("port") or ssh.get("port", 22)) != 22:
        words += ["-p", str(port)]
    home = ""
    if key := ssh.get("private_key_file"):
        # A shell does not expand ~ in quotes.
        home, key = ("~/", key[2:]) if key.startswith("~/") else ("", key)
    identity = f"-i {home}{shlex.quote(key)} " if key else ""
    user = own.get("user") or ssh.get("user", "root")
    return identity + shlex.join([*words, f"{user}@{entry['address']}"])
