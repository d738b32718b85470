"""Warnings about a valid config. Pure."""

from collections.abc import Iterator

from settings.model import Settings

_WORDS = """
opennebula one oned oneadmin oneflow onegate admin administrator root user password passw0rd
passwort secret changeme change-me default mysql mariadb database backup system service test demo
lab cloud 1234 12345 123456 1234567 12345678 123456789 qwerty letmein welcome
"""
"""one-deploy's default, common passwords, and words that appear in this program's output."""


def cautions(settings: Settings) -> Iterator[str]:
    """Yield each warning in a sentence or two, without the value of any secret."""
    count = len(settings.frontends)
    if count > 1 and count % 2 == 0:
        tolerated = (count - 1) // 2
        yield (
            f"{count} front-ends tolerate {tolerated or 'no'} failure{'s' if tolerated > 1 else ''}"
            f" of a front-end{f', as {count - 1} do' if tolerated else ''}: add a front-end, or"
            " remove one, and remove allow_even"
        )
    words = {*_WORDS.split(), *settings.frontends}
    for key in ("db_password", "one_pass"):
        secret = getattr(settings, key)
        if secret is not None and secret.get_secret_value().lower() in words:
            yield (
                f"{key} is one-deploy's default or another common word, which attackers try first."
                " It is also why output shows [secret]: Pulumi hides the word everywhere, also in"
                f" names of units and files. Change it with: pulumi config set --secret {key};"
                " the next up changes it on every server, without an interruption"
            )
