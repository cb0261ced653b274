"""A record with a few rows."""

from datetime import datetime

import pytest

from hypotheta.trials import Record, Row, Training

ROWS = [
    Row(0, "complete", {"classifier": "net", "type": "network", "auc": 0.90, "epochs": 10, "learning_rate": 0.005}),
    Row(1, "complete", {"classifier": "trees", "type": "bdt", "auc": 0.93, "depth": 6, "learning_rate": 0.15}),
    Row(2, "pruned", {"classifier": "trees", "type": "bdt", "depth": 2, "learning_rate": 0.5}),
    Row(3, "complete", {"classifier": "net", "type": "network", "auc": 0.91, "epochs": 20, "learning_rate": 0.005}),
]


@pytest.fixture
def rows():
    return list(ROWS)


@pytest.fixture
def training():
    def make(number=0, **columns):
        columns = {"classifier": "net", "auc": 0.9, "depth": 3, "hidden": "64-64", **columns}
        return Training(f"id-{number}", 0.9, columns, datetime(2026, 11, 24, 12, 0, number), ("depth", "hidden"))

    return make


@pytest.fixture
def record(tmp_path):
    return Record(f"sqlite:///{tmp_path / 'trials.db'}", "study")
