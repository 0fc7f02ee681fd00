"""Lets `python -m driveflow.entrypoints` be the command `driveflow`."""

from driveflow.entrypoints.cli import main

main()
