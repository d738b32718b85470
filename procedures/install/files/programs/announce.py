#!/usr/bin/python3 -I
"""Tell the neighbours, at once and again, that these addresses are at this host.

announce INTERFACE ADDRESS [INTERFACE ADDRESS]...

Run by root, since nobody else may send such packets: ARP for IPv4, neighbour advertisements for
IPv6. It speaks of no address that this host has not on that interface.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import time

AGAIN = (1, 1, 2, 4, 8)
"""Seconds before each further time."""
ETHERNET, LOOPBACK, TUNNEL = 1, 772, 65534
"""Kinds of an interface; the last two have no neighbours."""


def main() -> None:
    """Tell them once, and stay behind to do it again."""
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
    """Keep nobody waiting, and end when oned's unit ends: oned's own children ignore that."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)


def announce(interface: str, address: str) -> str:
    """Tell of one address; what came in the way."""
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
    """Whether it is there at this moment."""
    asked = ["ip", "-o", "address", "show", "dev", interface, "to", address]
    return bool(subprocess.run(asked, stdout=subprocess.PIPE, check=False).stdout)


def tell_by_arp(wire: socket.socket, mac: bytes, address: str) -> None:
    """As a request and as an answer: some heed the one, some the other."""
    everybody, nobody = b"\xff" * 6, b"\0" * 6
    own = socket.inet_aton(address)
    for operation, target in ((1, nobody), (2, mac)):
        head = struct.pack("!6s6sHHHBBH", everybody, mac, 0x806, 1, 0x800, 6, 4, operation)
        wire.send(head + mac + own + target + own)


def advertise(interface: str, mac: bytes, address: str) -> None:
    """Unsolicited, to all on the link, and to take the place of what they knew."""
    index = socket.if_nametoindex(interface)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as wire:
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        wire.bind((address, 0, 0, index))
        own = socket.inet_pton(socket.AF_INET6, address)
        # The kernel puts in the checksum.
        message = struct.pack("!BBHI16sBB6s", 136, 0, 0, 0x20000000, own, 2, 1, mac)
        wire.sendto(message, ("ff02::1", 0, 0, index))


main()
