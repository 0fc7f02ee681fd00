"""Routes of students."""

from driveflow.entrypoints.api.schemas import school_router

router = school_router()
