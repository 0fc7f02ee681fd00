"""The ways in: HTTP API, command line, worker. They parse, call a service and answer; they hold no rule."""
