"""What optuna-dashboard shows of a record."""

import json
import warnings
from wsgiref.util import setup_testing_defaults

import pytest

from hypotheta.trials.database import connect


def get(application, path):
    answer = {}
    environment = {"PATH_INFO": path, "REQUEST_METHOD": "GET"}
    setup_testing_defaults(environment)
    body = b"".join(application(environment, lambda status, *_: answer.update(status=status)))
    return answer["status"], json.loads(body)


def test_the_dashboard_opens_the_record(record, training):
    dashboard = pytest.importorskip("optuna_dashboard", reason="needs the extra 'dashboard'")
    record.add(training(0))
    record.add(training(1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own
        application = dashboard.wsgi(connect(record.url, create=False))
        status, studies = get(application, "/api/studies")
        assert status.startswith("200")
        (study,) = studies["study_summaries"]
        assert study["study_name"] == "study"
        _, found = get(application, f"/api/studies/{study['study_id']}")
    assert [trial["values"] for trial in found["trials"]] == [[0.9], [0.9]]
    assert {p["name"] for p in found["trials"][0]["params"]} == {"depth"}
