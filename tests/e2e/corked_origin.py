"""A TCP origin that sends N bytes and its FIN in one segment: whoever connects gets them and the end.

    corked_origin.py BYTES ADDRESS PORT

TCP_CORK holds the last part back until the socket is shut down, so that the FIN goes with it.
"""

import socket
import sys


def answer(peer, body):
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    peer.sendall(body)
    peer.shutdown(socket.SHUT_WR)
    # The client's end comes, too; until then the socket stays.
    while peer.recv(4096):
        pass


def main():
    size, address, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    server = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
    body = bytes(n * 7 % 251 for n in range(size))
    while True:
        peer, _ = server.accept()
        try:
            answer(peer, body)
        except OSError as error:
            print(error, file=sys.stderr)
        peer.close()


main()
