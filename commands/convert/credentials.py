"""The secrets of an inventory, each to be set by a command. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from commands.convert.conversion import Secret
from commands.convert.inventory import unread
from commands.convert.source import Source

_SECRETS = ("one_pass", "one_token", "db_password")


def convert(source: Source) -> None:
    """Map the secrets of the zone, and those that it lacks."""
    made = source.made
    for key in _SECRETS:
        found = source.of_each(key)
        if key == "db_password" and source.is_sqlite:
            if found:
                made.needless(key, "SQLite has no account")
        elif found and all(unread(value) for value in found.values()):
            made.hide(Secret(key, key), next(iter(found.values())).why)
        elif (value := source.alike(key, secret_too=True)) is not None:
            made.hide(Secret(key, key, str(value)))
    if "one_pass" not in made.secrets:
        made.hide(Secret("one_pass", "", remedy="one_auth"))
        made.ask(
            "one_pass",
            "not to be had from the inventory: a front-end has it in /var/lib/one/.one/one_auth,"
            " from which the command below takes it",
        )
    if "db_password" not in made.secrets and not source.is_sqlite:
        made.hide(Secret("db_password", "", remedy="random"))
        made.ask(
            "db_password",
            "not to be had from the inventory, so it may be one-deploy's default, which everybody"
            " knows: the command below makes a new one, which the second up puts in its place",
        )
    _auth(source)


def _auth(source: Source) -> None:
    value = source.alike("auth", secret_too=True)
    if value is None:
        return
    if not isinstance(value, dict):
        source.expected("auth", "an object", value)
        return
    given = {key: item for key, item in value.items() if item is not None}
    given, passwords = _without_passwords(given)
    if not given:
        source.made.needless("auth", "it has no value there")
        return
    if source.inventory.is_secret(given):
        source.made.ask(
            "auth", "more of it than passwords is encrypted there: not taken; set it by hand"
        )
        return
    source.made.take("auth", "auth", given)
    for server, password in passwords.items():
        source.made.hide(
            Secret(
                f'auth.ldap.config["{server}"][":password"]'
                if re.search(r"[^A-Za-z0-9_-]", server)
                else f'auth.ldap.config.{server}[":password"]',
                f"auth.ldap.config.{server}.:password",
                password,
            )
        )


def _without_passwords(auth: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Auth without the passwords of LDAP's servers, and those; None for one that is not read."""
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
