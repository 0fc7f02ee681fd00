"""Routes of instructors' weekly hours and exceptions."""

from driveflow.entrypoints.api.schemas import school_router

router = school_router()
