"""A sandbox that the tests of an area share, and one for a test that counts money or time."""

from collections.abc import Iterator

import pytest
import stripe

from support.stripe_sandbox import StripeSandbox, stripe_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[StripeSandbox]:
    """A sandbox without webhooks, shared by a file."""
    with stripe_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: StripeSandbox) -> stripe.StripeClient:
    """The official library, aimed at the shared sandbox."""
    return sandbox.client()


@pytest.fixture
def own_sandbox() -> Iterator[StripeSandbox]:
    """A sandbox of this test alone."""
    with stripe_sandbox() as running:
        yield running
