"""An HTTP client that says who ends each connection: asks for /whoami over and over, a connection each, one after the other.

    whoami.py origin|client TIMES ROUNDS ADDRESS

TIMES connections a round, with more than a second before each. Prints what each connection answered, a line each.
`origin`: asks for `Connection: close` and reads until the origin's FIN has come, so that its own is always the second.
`client`: closes as soon as the answer is whole.
"""

import socket
import sys
import time

BEFORE_ROUND = 1.5


def ask(who_ends, address):
    ending = b"Connection: close\r\n" if who_ends == "origin" else b""
    with socket.create_connection((address, 80), timeout=10) as peer:
        peer.sendall(b"GET /whoami HTTP/1.1\r\nHost: " + address.encode() + b"\r\n" + ending + b"\r\n")
        answer = b""
        while who_ends == "origin" or not is_whole(answer):
            part = peer.recv(4096)
            if not part:
                break
            answer += part
    return answer.partition(b"\r\n\r\n")[2].decode().strip()


def is_whole(answer):
    head, found, body = answer.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(found and lengths) and len(body) >= int(lengths[0])


def main():
    who_ends, times, rounds, address = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    for at in range(times * rounds):
        if at % times == 0:
            time.sleep(BEFORE_ROUND)
        try:
            print(ask(who_ends, address))
        except OSError as error:
            print(error)


main()
