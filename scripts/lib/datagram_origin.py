"""A UDP origin for the laboratory, on IPv4 and IPv6: checks the header that it should get, answers by its port.

    datagram_origin.py ADDRESS... MODE=PORT...

  echo       the payload comes back
  spp-echo   Simple Proxy Protocol: the payload comes back behind the same header
  spp-none   the payload comes back without the header
  spp-wrong  the payload comes back behind a header of another client's port
  spp-tell   behind the same header: what the header said, and length and SHA-256 of the payload
  v2-tell    what the PROXY v2 header said, or that there was none, and the payload
  once       the first payload comes back, then the socket is closed
  twice      the payload comes back at once and again half a second later
  mute       nothing comes back

One line a datagram goes to standard output. A datagram without the header that its mode wants gets no answer.
It decodes the headers by itself, from their descriptions, and shares no code with byway.
"""

import hashlib
import ipaddress
import select
import socket
import struct
import sys
import time

SPP = struct.Struct("!2s16s16sHH")
V2_SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def words_of(address):
    """An address of 16 bytes as people write it; IPv4 where it is mapped."""
    six = ipaddress.IPv6Address(address)
    return str(six.ipv4_mapped or six)


def read_spp(data):
    """The header's bytes, its words, the payload; None where it is not there."""
    if len(data) < SPP.size:
        return None
    magic, client, proxy, client_port, proxy_port = SPP.unpack_from(data)
    if magic != b"\x56\xec":
        return None
    words = f"{words_of(client)} {client_port} {words_of(proxy)} {proxy_port}"
    return data[: SPP.size], words, data[SPP.size :]


def read_v2(data):
    """The header's words and the payload; None where it is not there or not of a datagram."""
    if data[:12] != V2_SIGNATURE or len(data) < 16 or data[12] != 0x21:
        return None
    size = struct.unpack_from("!H", data, 14)[0]
    form = {(0x12, 12): "!4s4sHH", (0x22, 36): "!16s16sHH"}.get((data[13], size))
    if form is None or len(data) < 16 + size:
        return None
    client, proxy, client_port, proxy_port = struct.unpack_from(form, data, 16)
    client, proxy = ipaddress.ip_address(client), ipaddress.ip_address(proxy)
    return f"{client} {client_port} {proxy} {proxy_port}", data[16 + size :]


def answer_spp(mode, data):
    """What the log says, and the reply."""
    header = read_spp(data)
    if header is None:
        return "no header", None
    front, words, payload = header
    told = f"SPP {words}, {len(payload)} bytes, sha256 {hashlib.sha256(payload).hexdigest()}"
    if mode == "spp-none":
        return told, payload
    if mode == "spp-wrong":
        return told, front[:35] + bytes([front[35] ^ 1]) + front[36:] + payload
    return told, front + (told.encode() if mode == "spp-tell" else payload)


def answer_v2(data):
    header = read_v2(data)
    words = f"v2 {header[0]}: {header[1].decode(errors='replace')}" if header else f"no header: {data.decode(errors='replace')}"
    return words, words.encode()


def answer(mode, data):
    """What the log says, and the reply or None."""
    if mode.startswith("spp-"):
        return answer_spp(mode, data)
    if mode == "v2-tell":
        return answer_v2(data)
    return f"{len(data)} bytes", None if mode == "mute" else data


def serve(sockets):
    late = []  # (when, socket, reply, to), in order of time
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        for ready in select.select(list(sockets), [], [], wait)[0]:
            data, sender = ready.recvfrom(65536)
            mode = sockets[ready]
            told, reply = answer(mode, data)
            print(f"{mode} {sender[0]} {sender[1]}: {told}", flush=True)
            if reply is not None:
                ready.sendto(reply, sender)
            if mode == "twice":
                late.append((time.monotonic() + 0.5, ready, reply, sender))
            if mode == "once":
                del sockets[ready]
                ready.close()
        while late and late[0][0] <= time.monotonic():
            _, ready, reply, sender = late.pop(0)
            ready.sendto(reply, sender)


def main():
    addresses = [word for word in sys.argv[1:] if "=" not in word]
    modes = [word.split("=") for word in sys.argv[1:] if "=" in word]
    sockets = {}
    for address in addresses:
        for mode, port in modes:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            one = socket.socket(family, socket.SOCK_DGRAM)
            one.bind((address, int(port)))
            sockets[one] = mode
    print("ready", flush=True)
    serve(sockets)


main()
