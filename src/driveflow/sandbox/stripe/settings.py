"""What can be chosen about a sandbox."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

API_VERSION: Final = "2026-08-26.dahlia"
"""The version that the sandbox's objects have been checked against; a request may name another."""

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events are delivered to, and the secret that signs them."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class StripeSandboxSettings:
    """Everything that a sandbox is told; the defaults are an Australian platform in test mode.

    `connected_reserves` lets a connected account's balance go below zero by a reversal, as Stripe does for
    platforms with reserves; otherwise such a reversal is refused. `retry_delays_s` are the waits between the
    tries of one delivery; a try after the last is not made. `seed` makes ids repeatable. `poll_s`
    is how late a retry or a timer may be; what a request causes begins at once.
    """

    database: Path
    secret_keys: tuple[str, ...] = ("sk_test_driveflow_sandbox",)
    platform: Endpoint | None = None
    connect: Endpoint | None = None
    public_url: str | None = None
    country: str = "AU"
    currency: str = "aud"
    fee_bps: int = 170
    fee_fixed_cents: int = 30
    dispute_fee_cents: int = 2500
    settlement_s: int = 2 * DAY_S
    refund_outcome_s: int = 5
    processing_s: int = 5
    connected_reserves: bool = False
    retry_delays_s: tuple[float, ...] = (1, 5, 30, 300, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
    delivery_timeout_s: float = 10
    poll_s: float = 0.2
    seed: int | None = None
    clock: Callable[[], float] = time.time
