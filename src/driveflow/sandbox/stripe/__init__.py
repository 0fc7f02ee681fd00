"""A Stripe-compatible server for `driveflow demo` and the tests, in which no money moves.

The official `stripe` library talks to it by base address alone, so what is tested is the code that runs in
production. It keeps its state in one SQLite file and survives being killed at any point; each request is one
transaction, with its events and its idempotent answer inside. The packages:

* `app` puts everything together; `api` takes one request through authentication, faults and idempotency;
* `resources/` has one file per object of Stripe's API, with the parameters that it accepts;
* `store`, `fields`, `forms`, `lists`, `expansion`, `events`, `delivery`, `timers`, `faults` are what they
  share;
* `pages` are those a person sees: paying, 3-D Secure, onboarding; `control` is what tests steer it by.

Behaviour follows Stripe's public documentation and its OpenAPI description; where neither says anything, a
comment tells what was chosen.
"""

from driveflow.sandbox.stripe.app import create_stripe_sandbox
from driveflow.sandbox.stripe.settings import Endpoint, StripeSandboxSettings

__all__ = ["Endpoint", "StripeSandboxSettings", "create_stripe_sandbox"]
