"""Routes of guardians and of their links to students."""

from driveflow.entrypoints.api.schemas import school_router

router = school_router()
