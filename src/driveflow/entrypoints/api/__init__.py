"""The HTTP API `/api/v1`, one file a resource, with its request and answer schemas on top."""
