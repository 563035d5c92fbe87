# SPDX-License-Identifier: Apache-2.0
"""A server outside the boards, for downloads whose content can be proven to have arrived whole."""

import hashlib
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

__all__ = ["DownloadServer"]


class DownloadServer:
    """Serves `size` pseudo-random bytes at ``/blob`` on 127.0.0.1, on whatever port is free.

    Boards and their guests reach it at ``http://10.0.2.2:PORT/blob`` (boards.HOST_ADDRESS).  `seed` decides
    the bytes.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self._content = random.Random(seed).randbytes(size)  # noqa: S311  (repeatable, not secret)
        self.sha256 = hashlib.sha256(self._content).hexdigest()

    @property
    def port(self) -> int:
        return self._server.server_port

    def __enter__(self) -> Self:
        content = self._content

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/blob":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="lab-download")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
