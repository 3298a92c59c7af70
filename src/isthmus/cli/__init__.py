"""The command line."""

from isthmus.cli.app import run as run
