"""The lines of a known_hosts file for a host, as OpenSSH reads them."""

import paramiko
import pytest

from hosts.known_hosts import lookup

KEY = paramiko.ECDSAKey.generate()
OTHER = paramiko.ECDSAKey.generate()
RSA = paramiko.RSAKey.generate(2048)
NAME = "10.2.50.10"
PLAIN = f"{KEY.get_name()} {KEY.get_base64()}"


def hashed(name: str) -> str:
    # A fixed salt, because the result is part of a test's name.
    return str(paramiko.HostKeys.hash_host(name, f"|1|{'A' * 27}=|"))


@pytest.mark.parametrize(
    "field",
    [
        NAME,
        f"other,{NAME}",
        "10.2.50.*",
        "10.2.5?.10",
        "*,!10.2.50.11",
        hashed(NAME),
    ],
)
def test_a_line_for_the_host_gives_its_key(field: str) -> None:
    assert lookup(f"{field} {PLAIN} a comment\n", NAME).keys == (KEY,)


@pytest.mark.parametrize(
    "field",
    [
        "10.2.50.1",
        "10.2.50.?",
        "*,!10.2.50.10",
        "!10.2.50.10,*",
        f"[{NAME}]:2222",
        hashed("10.2.50.11"),
        "|1|broken",
        "|1|%%%|%%%",
        "|2|AAAA|AAAA",
    ],
)
def test_a_line_for_another_host_gives_no_key(field: str) -> None:
    assert lookup(f"{field} {PLAIN}\n", NAME).keys == ()


@pytest.mark.parametrize("field", ["[10.2.50.10]:2222", "[*]:2222", hashed("[10.2.50.10]:2222")])
def test_a_port_is_part_of_the_name(field: str) -> None:
    assert lookup(f"{field} {PLAIN}\n", "[10.2.50.10]:2222").keys == (KEY,)
    assert lookup(f"{field} {PLAIN}\n", NAME).keys == ()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "# 10.2.50.10 comment",
        "10.2.50.10",
        "10.2.50.10 ssh-rsa",
        f"{NAME} 1024 35 1234567890123456789",
        f"{NAME} ssh-ed25519 %%%",
        f"{NAME} ssh-ed25519 AAAA",
        f"{NAME} ssh-rsa {KEY.get_base64()}",
        f"{NAME} ssh-none AAAA",
        f"@unknown {NAME} {PLAIN}",
        "@revoked",
        "@cert-authority *",
        "@cert-authority * ssh-rsa",
        "\x00\x01 binary rubbish here",
    ],
)
def test_an_unreadable_line_is_skipped(line: str) -> None:
    found = lookup(f"{line}\n{NAME} {PLAIN}\n{line}\n", NAME)
    assert found.keys == (KEY,)
    assert not found.revoked
    assert not found.authority


def test_several_keys_are_all_valid_and_each_counts_once() -> None:
    rsa = f"{RSA.get_name()} {RSA.get_base64()}"
    other = f"{OTHER.get_name()} {OTHER.get_base64()}"
    text = f"{NAME} {rsa}\n{NAME} {PLAIN}\n{hashed(NAME)} {PLAIN}\n* {other}\n"
    assert lookup(text, NAME).keys == (RSA, KEY, OTHER)


def test_markers_tell_the_purpose_of_a_key() -> None:
    found = lookup(f"@revoked * {PLAIN}\n@cert-authority *.50.10 {PLAIN}\n", NAME)
    assert found.revoked == (KEY,)
    assert found.authority
    assert found.keys == ()
    assert not lookup(f"@cert-authority *.example.org {PLAIN}\n", NAME).authority
