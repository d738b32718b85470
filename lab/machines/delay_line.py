"""Relay packets from one end of a cable to the other with a delay, like a long line."""

import select
import socket
import sys
import time
from collections import deque

# Offloaded packets are larger than a frame. Their header says how to split them and which checksums
# are missing; the kernel needs it when they are sent.
_SOL_PACKET = 263
_PACKET_VNET_HDR = 15
_PACKET_IGNORE_OUTGOING = 23
_ALL_PROTOCOLS = 3
_LARGEST = 70000


def relay(one: str, other: str, seconds: float) -> None:
    """Relay until the process is ended; print `ready` after the start."""
    ends = [_open(one), _open(other)]
    lines = [(ends[0], ends[1]), (ends[1], ends[0])]
    waiting: deque[tuple[float, socket.socket, bytes]] = deque()
    print("ready", flush=True)
    while True:
        rest = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        readable, _, _ = select.select(ends, [], [], rest)
        now = time.monotonic()
        for source, target in lines:
            if source in readable:
                waiting.append((now + seconds, target, source.recv(_LARGEST)))
        while waiting and waiting[0][0] <= now:
            _, target, packet = waiting.popleft()
            try:
                target.send(packet)
            except OSError:
                # Drop packets that do not fit.
                continue


def _open(interface: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    end.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    end.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    end.bind((interface, 0))
    return end


if __name__ == "__main__":
    relay(sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1000)
