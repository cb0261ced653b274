import sqlite3

import pytest

from hypotheta.errors import ConfigurationError, InputFileError, OutputError
from hypotheta.trials import Record, Training
from hypotheta.trials.database import shown


def test_rows_are_numbered_and_come_back(record, training):
    assert [record.add(training(i, epochs=i + 1, unknown=None, bad=float("nan"))) for i in range(3)] == [0, 1, 2]
    rows = Record(record.url, record.study).rows()
    assert [row.number for row in rows] == [0, 1, 2]
    assert rows[1].state == "complete"
    expected = {"classifier": "net", "auc": 0.9, "depth": 3, "hidden": "64-64", "epochs": 2, "value": 0.9}
    assert rows[1].columns == {**expected, "started": "2026-11-24 12:00:01"}


def test_the_same_training_again_is_another_row_but_a_missing_one_is_added_once(record, training):
    record.add(training(0))
    record.add(training(1))
    assert record.add_missing({"old": training(1), "new": training(2)}) == {"new": 2}
    assert record.add_missing({"old": training(1), "new": training(2)}) == {}


def test_a_training_is_kept_as_json(training):
    made = training(3, unknown=None)
    assert Training.from_dict(made.to_dict()).to_dict() == made.to_dict()


def test_what_becomes_known_later_belongs_to_the_row(record, training):
    record.add(training(0))
    record.add(training(1))
    record.note("id-1", {"expected_limit_pb": 0.5, "other": None})
    first, second = Record(record.url, record.study).rows()
    assert "expected_limit_pb" not in first.columns
    assert second.columns["expected_limit_pb"] == 0.5


def test_settings_are_parameters_for_optuna_and_nothing_is_pickled(record, training):
    record.add(training(0))
    with sqlite3.connect(record.url.removeprefix("sqlite:///")) as database:
        assert database.execute("select param_name, param_value from trial_params").fetchall() == [("depth", 3.0)]
        for table in ("trial_user_attributes", "study_user_attributes", "trial_system_attributes"):
            types = database.execute(f"select distinct typeof(value_json) from {table}").fetchall()
            assert types in ([], [("text",)])
    database.close()


def test_one_database_holds_many_studies(record, training):
    record.add(training(0))
    Record(record.url, "another").add(training(1))
    assert record.studies == ["another", "study"]
    with pytest.raises(ConfigurationError, match="there is no study 'studie'; did you mean 'study'"):
        Record(record.url, "studie").rows()


def test_there_must_be_a_record_to_read(tmp_path):
    with pytest.raises(InputFileError, match="there is no such record yet; run 'hypotheta train'"):
        Record(f"sqlite:///{tmp_path / 'none.db'}", "study").rows()
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_is_told(tmp_path):
    (tmp_path / "broken.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(InputFileError, match="broken.db: this file is no record of trials .*choose another"):
        Record(f"sqlite:///{tmp_path / 'broken.db'}", "study").rows()


def test_a_folder_that_is_none_is_told(tmp_path, training):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="the record of trials cannot be opened .*choose another storage"):
        Record(f"sqlite:///{tmp_path / 'file/trials.db'}", "study").add(training())


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("trials.db", "is no database URL; write it as sqlite:///trials.db"),
        ("nosql://me:secret@host/trials", r"nosql://me:\*\*\*@host/trials: no driver for 'nosql'"),
        ("mysql+nodriver://me:secret@host/trials", r"no driver for 'mysql'"),
    ],
)
def test_urls_of_nothing_known_are_told_without_their_password(url, match):
    with pytest.raises(ConfigurationError, match=match) as caught:
        Record(url, "study").prepare()
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_told_without_its_password():
    pytest.importorskip("psycopg", reason="needs the extra 'postgresql'")
    with pytest.raises(OutputError, match=r"me:\*\*\*@127.0.0.1:1/trials.*start the server") as caught:
        Record("postgresql://me:secret@127.0.0.1:1/trials", "study").prepare()
    assert "secret" not in str(caught.value)
    assert shown("no url:secret") == "the database's URL"
