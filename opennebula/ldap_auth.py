"""Keys of ldap_auth.conf."""

CHOICES = (":order", ":match_user_regex")
"""How the driver chooses a server: one of these keys, not both."""
PASSWORD = ":password"  # noqa: S105 - the key of one
