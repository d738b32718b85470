#!/usr/bin/python3 -I
"""Announce to the neighbours, at once and several times again, that this host has these addresses.

announce INTERFACE ADDRESS [INTERFACE ADDRESS]...

Run by root, since only root may send such packets: ARP for IPv4, neighbour advertisements for IPv6.
An address that this host does not have on that interface is not announced.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import time

AGAIN = (1, 1, 2, 4, 8)
"""Seconds before each further announcement."""
ETHERNET, LOOPBACK, TUNNEL = 1, 772, 65534
"""Types of interfaces; the last two have no neighbours."""


def main() -> None:
    """Announce once, and repeat it in the background."""
    words = sys.argv[1:]
    places = [(words[n], words[n + 1]) for n in range(0, len(words) - 1, 2)]
    failed = [text for text in (announce(*place) for place in places) if text]
    for text in failed:
        print(text, file=sys.stderr)
    sys.stderr.flush()
    if os.fork() == 0:
        stay_behind()
        for pause in AGAIN:
            time.sleep(pause)
            for place in places:
                announce(*place)
        os._exit(0)
    sys.exit(1 if failed or len(words) % 2 or not words else 0)


def stay_behind() -> None:
    """Let the caller continue, and end with oned's unit: oned's own children ignore its signals."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)


def announce(interface: str, address: str) -> str:
    """Announce one address; return the fault, or an empty text."""
    try:
        if not is_held(interface, address):
            return f"{address} is not on {interface}"
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((interface, 0))
            kind, mac = wire.getsockname()[3:5]
            if kind in (LOOPBACK, TUNNEL):
                return ""
            if kind != ETHERNET:
                return f"{interface} is not Ethernet: it cannot announce {address}"
            if ":" in address:
                advertise(interface, mac, address)
            else:
                tell_by_arp(wire, mac, address)
    except OSError as error:
        return f"{address} on {interface}: {error}"
    return ""


def is_held(interface: str, address: str) -> bool:
    """Return whether the interface has the address at present."""
    asked = ["ip", "-o", "address", "show", "dev", interface, "to", address]
    return bool(subprocess.run(asked, stdout=subprocess.PIPE, check=False).stdout)


def tell_by_arp(wire: socket.socket, mac: bytes, address: str) -> None:
    """Send a request and an answer: some neighbours obey only one of them."""
    everybody, nobody = b"\xff" * 6, b"\0" * 6
    own = socket.inet_aton(address)
    for operation, target in ((1, nobody), (2, mac)):
        head = struct.pack("!6s6sHHHBBH", everybody, mac, 0x806, 1, 0x800, 6, 4, operation)
        wire.send(head + mac + own + target + own)


def advertise(interface: str, mac: bytes, address: str) -> None:
    """Send an unsolicited advertisement to all on the link, which overrides what they know."""
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as wire:
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        wire.bind((address, 0, 0, index))
        own = socket.inet_pton(socket.AF_INET6, address)
        # The kernel adds the checksum.
        message = struct.pack("!BBHI16sBB6s", 136, 0, 0, 0x20000000, own, 2, 1, mac)
        wire.sendto(message, ("ff02::1", 0, 0, index))


main()
