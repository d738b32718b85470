"""Become root on a host, with or without a password. A password goes to sudo's standard input."""

import re
import secrets
import time

import paramiko

from hosts import answer

# sudo's messages are read: they are wanted in English, whatever the host's locale.
UNASKED = "env LC_ALL=C sudo -n -- "
# The command waits for a line: nothing of what is sent to it can be taken for a password, and no
# password for what is sent to it.
_ASKED = """env LC_ALL=C sudo -S -k -p {prompt} -- sh -c \
'printf "\\n%s\\n" "$0"; read -r go; exec "$@"' {mark} """


class RefusedError(Exception):
    """sudo did not run the command: what it said."""

    def __init__(self, said: str, *, wrong: bool = False) -> None:
        self.said = said
        self.wrong_password = wrong
        super().__init__()


def start(channel: paramiko.Channel, command: str, password: str, timeout: float) -> None:
    """Start a command as root; give sudo the password if it asks for one, and only once.

    Raises RefusedError if the command does not start, TimeoutError, or what breaks the connection.
    """
    deadline = time.monotonic() + timeout
    prompt, mark = secrets.token_hex(16), secrets.token_hex(16)
    # sudo asks on the standard error.
    channel.set_combine_stderr(True)
    channel.exec_command(_ASKED.format(prompt=prompt, mark=mark) + command)
    said, asked = bytearray(), False
    while f"\n{mark}\n".encode() not in said:
        answer.check(deadline, said)
        channel.settimeout(max(deadline - time.monotonic(), 0.01))
        data = channel.recv(65536)
        if not data:
            # A login shell may have printed something without an end of line before.
            text = said.decode(errors="replace").replace(password, "********")
            raise RefusedError(re.sub(r"(?m)^.*?(?=sudo: )", "", text))
        said += data
        if said.count(prompt.encode()) > 1:
            raise RefusedError("it does not accept that password", wrong=True)
        if prompt.encode() in said and not asked:
            channel.sendall(f"{password}\n".encode())
            asked = True
    channel.set_combine_stderr(False)
    channel.sendall(b"\n")
