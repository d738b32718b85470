"""Become root on a host, with or without a password. A password goes to sudo's standard input."""

import re
import secrets
import time

import paramiko

from hosts import answer

# We parse sudo's messages, so they must be in English.
NON_INTERACTIVE = "env LC_ALL=C sudo -n -- "
# The command first waits for a line, so that sudo cannot take its input for a password, and it does
# not get the password as input.
_INTERACTIVE = """env LC_ALL=C sudo -S -k -p {prompt} -- sh -c \
'printf "\\n%s\\n" "$0"; read -r go; exec "$@"' {mark} """


class RefusedError(Exception):
    """sudo did not run the command. ``message`` is its output."""

    def __init__(self, message: str, *, wrong: bool = False) -> None:
        self.message = message
        self.wrong_password = wrong
        super().__init__()


def start(channel: paramiko.Channel, command: str, password: str | None, timeout: float) -> None:
    """Start a command as root, and send the password once if sudo asks for it.

    Without a password, the command itself becomes root, and nothing is awaited.
    Raises RefusedError if the command does not start, TimeoutError, or the error that broke the
    connection.
    """
    if password is None:
        channel.exec_command(command)
        return
    deadline = time.monotonic() + timeout
    prompt, mark = secrets.token_hex(16), secrets.token_hex(16)
    # sudo prompts on standard error.
    channel.set_combine_stderr(True)
    channel.exec_command(_INTERACTIVE.format(prompt=prompt, mark=mark) + command)
    output, is_sent = bytearray(), False
    while f"\n{mark}\n".encode() not in output:
        if not answer.more(channel, channel.recv, output, deadline):
            # The login shell may have printed a text without a line end before.
            message = output.decode(errors="replace").replace(password, "********")
            raise RefusedError(re.sub(r"(?m)^.*?(?=sudo: )", "", message))
        if output.count(prompt.encode()) > 1:
            raise RefusedError("it does not accept that password", wrong=True)
        if prompt.encode() in output and not is_sent:
            channel.sendall(f"{password}\n".encode())
            is_sent = True
    channel.set_combine_stderr(False)
    channel.sendall(b"\n")
