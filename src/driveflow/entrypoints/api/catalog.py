"""Routes of services, rate cards, prices and quotes."""

from driveflow.entrypoints.api.schemas import school_router

router = school_router()
