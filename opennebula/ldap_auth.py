"""What stands in ldap_auth.conf next to the servers, and what in a server."""

CHOICES = (":order", ":match_user_regex")
"""How a server is chosen. The driver takes one of them, and not both."""
PASSWORD = ":password"  # noqa: S105 - the key of one
