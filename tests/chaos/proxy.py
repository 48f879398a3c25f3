"""A TCP proxy before the real MLflow server, which can make it slow or answer 500 in its place."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 9\r\nConnection: close\r\n\r\nno luck\r\n"


class Proxy:
    def __init__(self, port: int) -> None:
        self.port = port
        self.delay_s = 0.0
        self.fails = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as server:
            for end in (client, server):  # else each part of a request waits 40 ms for the one before to be confirmed
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self._pass, args=(server, client), daemon=True)
            back.start()
            self._pass(client, server)
            back.join()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        """Bytes from one to the other until either ends; the server's answers are what a fault holds up."""
        answers = source.getpeername()[1] == self.port
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if answers and self.fails:
                    sink.sendall(ERROR)
                    break
                if answers:
                    time.sleep(self.delay_s)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
