"""The program's own API client on an oned of the stand-in."""

import socket
from typing import cast

import pytest

from opennebula.api import Api, ApiError, NotAuthenticatedError, Stream
from tests.standin.servers import PASSWORD, Server


def api(server: Server, password: str) -> Api:
    return Api(
        password, lambda: cast(Stream, socket.create_connection(("127.0.0.1", server.port), 10))
    )


def test_both_passwords_are_valid_during_a_change_then_only_the_next(
    three: list[Server],
) -> None:
    server = three[0]
    server.prepare()
    server.start()
    with pytest.raises(NotAuthenticatedError):
        api(server, "next").raft_status()
    assert api(server, PASSWORD).admit("next")
    assert api(server, PASSWORD).admit("next"), "an interrupted change goes on"
    assert not api(server, "next").has_password("next")
    api(server, PASSWORD).touch("a write of the user keeps the token")
    api(server, "next").set_password("next")
    assert api(server, "next").has_password("next")
    with pytest.raises(NotAuthenticatedError):
        api(server, PASSWORD).raft_status()


@pytest.mark.parametrize("longest", [60, 0])
def test_tokens_that_expire_too_early_are_removed(three: list[Server], longest: int) -> None:
    server = three[0]
    server.prepare()
    conf = server.home / "etc/oned.conf"
    conf.write_text(
        f'{conf.read_text()}AUTH_MAD_CONF = [ NAME = "core", MAX_TOKEN_TIME = "{longest}" ]\n'
    )
    server.start()
    if longest:
        assert not api(server, PASSWORD).admit("next")
    else:
        with pytest.raises(ApiError, match="disabled"):
            api(server, PASSWORD).admit("next")
    with pytest.raises(NotAuthenticatedError):
        api(server, "next").raft_status()


def test_text_outside_the_basic_multilingual_plane_is_refused(three: list[Server]) -> None:
    server = three[0]
    server.prepare()
    server.start()
    api(server, PASSWORD).rename_zone("Grüße ☃")
    with pytest.raises(ApiError, match="not in the Basic Multilingual Plane"):
        api(server, PASSWORD).rename_zone("🐧")
