"""Names in MariaDB that OpenNebula's database and account must not have: they are the system's."""

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
    """Why the zone's account must not have that name; empty: it may."""
    return _said(name, _ACCOUNTS.get(name.lower()))


def why_not_name(name: str) -> str:
    """Why the zone's database must not have that name; empty: it may."""
    lower = name.lower()
    # The package's rights on test are on all names that begin with test_, too.
    return _said(name, _DATABASES.get("test" if lower.startswith("test_") else lower))


def _said(name: str, why: str | None) -> str:
    return f"{name} {why}" if why else ""
