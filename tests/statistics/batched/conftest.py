"""Random HistFactory models for all tests here."""

import runpy
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def random_workspace():
    """Return the function from a seed to a workspace; a plain file, as ROOT's script runs it without pytest."""
    return runpy.run_path(str(Path(__file__).with_name("random_models.py")))["random_spec"]
