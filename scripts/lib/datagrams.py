"""A UDP client for the laboratory: sends datagrams one after the other from one socket, waits for each one's answer.

    datagrams.py HOST PORT [--from ADDRESS] [--df] [--wait SECONDS] [--linger SECONDS] DATAGRAM...

A DATAGRAM is a text, or `size:N` for N bytes of a fixed pattern. --df forbids routers and the own kernel to fragment (by default
both may); --wait is how long an answer may take (1); --linger is how long the socket stays open after the last answer (0).
Prints one JSON object: the socket's own address and port, for each datagram its length, the SHA-256 of its bytes and the
answer (null: none came; error: the kernel refused it), and the path's MTU as the kernel has learned it.
"""

import argparse
import hashlib
import json
import socket
import sys
import time

# From <linux/in.h> and <linux/in6.h>; the socket module has none of them.
IP_MTU_DISCOVER, IP_MTU, IPV6_MTU_DISCOVER, IPV6_MTU = 10, 14, 23, 24
PMTUDISC_DONT, PMTUDISC_DO = 0, 2


def parse_words():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("datagrams", nargs="+")
    parser.add_argument("--from", dest="source", default="")
    parser.add_argument("--df", action="store_true")
    parser.add_argument("--wait", type=float, default=1)
    parser.add_argument("--linger", type=float, default=0)
    return parser.parse_args()


def bytes_of(word):
    if word.startswith("size:"):
        size = int(word[5:])
        return bytes(n * 7 % 251 for n in range(size))
    return word.encode()


def exchange(client, data):
    told = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        client.send(data)
        reply = client.recv(65536)
        return told | {"answer": reply.decode(errors="replace"), "answer_sha256": hashlib.sha256(reply).hexdigest()}
    except TimeoutError:
        return told | {"answer": None}
    except OSError as error:
        return told | {"answer": None, "error": error.strerror}


def main():
    words = parse_words()
    six = ":" in words.host
    client = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    level, discover, mtu = (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_MTU) if six else (socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_MTU)
    client.setsockopt(level, discover, PMTUDISC_DO if words.df else PMTUDISC_DONT)
    client.settimeout(words.wait)
    client.bind((words.source, 0))
    client.connect((words.host, words.port))
    sent = [exchange(client, bytes_of(word)) for word in words.datagrams]
    time.sleep(words.linger)
    address, port = client.getsockname()[:2]
    json.dump({"address": address, "port": port, "sent": sent, "mtu": client.getsockopt(level, mtu)}, sys.stdout)
    print()


main()
