"""Runs a sandbox on a free loopback port in a thread of its own, for tests and the demo."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from driveflow.sandbox.stripe.app import create_stripe_sandbox
from driveflow.sandbox.stripe.settings import StripeSandboxSettings

_START_TIMEOUT_S = 20.0
_POLL_S = 0.005


def _listen(port: int) -> socket.socket:
    # asyncio sends small packets at once (TCP_NODELAY) only where the socket names its protocol; otherwise
    # each answer's body waits 40 ms for the client to acknowledge its head.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


@contextmanager
def run_in_thread(settings: StripeSandboxSettings, *, port: int = 0) -> Iterator[str]:
    """Serve a sandbox until the end of the block; give its base address.

    Raises RuntimeError if it does not start.
    """
    listener = _listen(port)
    config = uvicorn.Config(
        create_stripe_sandbox(settings),
        access_log=False,
        log_level="critical",
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=asyncio.run, args=(server.serve(sockets=[listener]),), name="stripe-sandbox"
    )
    thread.start()
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("The Stripe sandbox did not start.")
            time.sleep(_POLL_S)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
