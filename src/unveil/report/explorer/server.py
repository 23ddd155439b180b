"""A model behind a page: a server on this machine alone, for one person who knows its address.

It listens on 127.0.0.1. The address holds a token; each request must bring it, and must come from the page itself: any
other Host or Origin is refused, so that no page of another site can ask. A request holds as many numbers as one place
in z or one x has, and no more. It reads no file.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import numpy as np
import torch
from torch import Tensor

from .functions import Functions

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds that a connection may be silent
WAITING, AT_ONCE = 256, 128  # connections that may wait, and that are answered at once
DIGITS = 9  # of a length, at most
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
ONCE = ("Host", "Origin", "X-Unveil-Token", "Content-Length")
Layout = list[tuple[str, int]]


class Answers:
    """Answers of a model as bytes: float32 numbers of one place or one x in, those of a layout out; one at a time.

    Arguments: functions; device of the model.
    """

    def __init__(self, functions: Functions, device: torch.device) -> None:
        self.functions, self.device, self._lock = functions, device, threading.Lock()
        self.known: dict[str, Callable[..., dict[str, Tensor]]] = {"decode": functions.decode}
        if functions.can_judge:
            self.known["judge"] = functions.judge

    def size(self, name: str) -> int:
        """The bytes that a request holds."""
        return 4 * sum(each.numel() for each in self.functions.example(name))

    def layouts(self) -> dict[str, Layout]:
        """What an answer holds: names and how many numbers each, in their order."""
        return {name: [(own, each.numel()) for own, each in self._of(name).items()] for name in self.known}

    def __call__(self, name: str, body: bytes) -> bytes:
        """The answer; a ValueError says what is wrong with the numbers."""
        values = torch.from_numpy(np.frombuffer(body, "<f4").copy()).to(self.device)
        if not bool(values.isfinite().all()):
            raise ValueError("Some numbers are not finite.")
        found = self._of(name, values)
        if not all(bool(each.isfinite().all()) for each in found.values()):
            raise ValueError("The model gives no finite numbers there.")
        return b"".join(each.float().cpu().numpy().astype("<f4").tobytes() for each in found.values())

    @torch.no_grad()
    def _of(self, name: str, values: Tensor | None = None) -> dict[str, Tensor]:
        given = self.functions.example(name)
        if values is not None:
            parts = values.split([each.numel() for each in given])
            if self.functions.takes_label and float(values[-1]) not in range(self.functions.num_classes):
                raise ValueError("There is no such label.")
            given = tuple(part.view_as(like).to(like.dtype) for part, like in zip(parts, given, strict=True))
            if name == "judge":
                domain = self.functions.domain
                domain.of_kind.check(given[0].cpu().numpy(), str(domain), domain.num_levels)
        with self._lock:
            return self.known[name](*(each.to(self.device) for each in given))


class Server(ThreadingHTTPServer):
    """Serves one page and the answers that it asks for.

    Arguments: port, 0 for any that is free; page, from the layouts and the token; answers.
    """

    daemon_threads = True
    request_queue_size = WAITING

    def __init__(self, port: int, page: Callable[[Mapping[str, Any]], str], answers: Answers) -> None:
        super().__init__((HOST, port), Handler)
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self.token, self.answers = secrets.token_urlsafe(24), answers
        self.page = page({"token": self.token, **answers.layouts()}).encode()

    @property
    def hosts(self) -> set[str]:
        port = self.server_address[1]
        return {f"{HOST}:{port}", f"localhost:{port}"}

    @property
    def address(self) -> str:
        """What a browser opens."""
        return f"http://{HOST}:{self.server_address[1]}/?token={self.token}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, while there are not too many: who keeps connections open waits himself."""
        if not self._free.acquire(timeout=PATIENCE):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "unveil", ""
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_GET(self) -> None:
        asked = self._address()
        if self._refused(parse_qs(asked.query).get("token", [""])[0]):
            return
        if asked.path != "/":
            self._say(404, "There is nothing here.")
            return
        self._send(200, self.server.page, "text/html; charset=utf-8")

    def do_POST(self) -> None:
        name, answers = self._address().path.removeprefix("/"), self.server.answers
        if self._refused(self.headers.get("X-Unveil-Token", "")):
            return
        if name not in answers.known:
            self._say(404, "There is nothing here.")
            return
        length, size = self.headers.get("Content-Length", ""), answers.size(name)
        is_number = length.isascii() and length.isdigit()
        if not is_number or len(length) > DIGITS or int(length) != size:
            too_long = is_number and (len(length) > DIGITS or int(length) > size)
            self._say(413 if too_long else 400, f"A request holds {size} bytes.")
            return
        body = self.rfile.read(size)
        if len(body) < size:
            self._say(400, f"A request holds {size} bytes.")
            return
        try:
            found = answers(name, body)
        except ValueError as error:
            self._say(400, str(error))
            return
        self._send(200, found, "application/octet-stream")

    def _refused(self, token: str) -> bool:
        """Whether a request was refused: from another page, by another name of this machine, or without the token."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if "Transfer-Encoding" in self.headers or any(len(self.headers.get_all(name, [])) > 1 for name in ONCE):
            self._say(400, "A request names its host, origin, token and length once, and comes in one piece.")
            return True
        if host not in self.server.hosts or (origin is not None and origin != f"http://{host}"):
            self._say(403, "Requests come from the page of this server alone.")
            return True
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self._say(403, "The token is missing or wrong; open the address that the terminal shows.")
            return True
        return False

    def _address(self) -> SplitResult:
        """What is asked for; one that is no address is the root without a token."""
        try:
            return urlsplit(self.path)
        except ValueError:
            return urlsplit("")

    def _say(self, status: int, sentence: str) -> None:
        self.close_connection = True  # what else the client sends is not read
        self._send(status, sentence.encode(), "text/plain; charset=utf-8")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: a dragged place asks sixty times a second."""
