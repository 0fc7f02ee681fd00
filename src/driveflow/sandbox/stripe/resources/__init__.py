"""One file per object of Stripe's API: what it accepts, what it does, how it looks."""
