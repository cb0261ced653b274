"""The command line: argument parsing and nothing else; every verb calls one stage."""

from hypotheta.cli.main import main

__all__ = ["main"]
