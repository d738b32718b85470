"""Names of MariaDB's own databases and accounts, which OpenNebula's must not have."""

_ACCOUNTS = {
    "root": "is MariaDB's administrator on the host, and would lose its rights",
    "mysql": "is an account of MariaDB's own",
    **dict.fromkeys(
        ("public", "none", "current_user", "current_role"),
        "is a word of MariaDB's own for its accounts and roles",
    ),
}
_DATABASES = {
    **dict.fromkeys(
        ("mysql", "information_schema", "performance_schema", "sys"),
        "is a database of MariaDB's own",
    ),
    "test": "is open to every account of a MariaDB as it was installed",
}


def why_not_owner(name: str) -> str:
    """Return why the zone's account must not have that name; empty if it may."""
    return _sentence(name, _ACCOUNTS.get(name.lower()))


def why_not_name(name: str) -> str:
    """Return why the zone's database must not have that name; empty if it may."""
    lower = name.lower()
    # The rights on test also cover all names that begin with test_.
    return _sentence(name, _DATABASES.get("test" if lower.startswith("test_") else lower))


def _sentence(name: str, why: str | None) -> str:
    return f"{name} {why}" if why else ""
