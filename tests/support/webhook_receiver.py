"""An endpoint for webhooks that writes down what it is sent, and answers as it is told."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe


@dataclass(frozen=True)
class Delivery:
    """One request that arrived."""

    path: str
    signature: str
    body: bytes

    def event(self, secret: str) -> stripe.Event:
        """Verify the delivery as production does, and return its event."""
        return stripe.Webhook.construct_event(self.body, self.signature, secret)  # type: ignore[no-any-return]


@dataclass
class Receiver:
    """A running endpoint; `answers` are the statuses of the next answers, then 200."""

    url: str
    received: list[Delivery] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def wait_for(self, count: int, timeout_s: float = 10) -> list[Delivery]:
        """Wait until so many deliveries have arrived, and return all."""
        deadline = time.monotonic() + timeout_s
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} deliveries arrived"
            time.sleep(0.01)
        return list(self.received)


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Listen on a free loopback port until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the sender was killed
                return
            receiver.received.append(Delivery(self.path, self.headers["Stripe-Signature"], body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
