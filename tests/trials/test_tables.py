import csv
import io

import numpy as np
import pytest

from hypotheta.errors import ConfigurationError, EmptySelectionError
from hypotheta.plots.trials import plot_trials
from hypotheta.trials import Condition, compared, scattered, tabulated, written


def numbers(table):
    return [row[table.columns.index("number")] for row in table.cells]


def test_rows_are_sorted_best_first_and_those_without_the_metric_come_last(rows):
    assert numbers(tabulated(rows, sort="auc")) == [1, 3, 0, 2]
    assert numbers(tabulated(rows, sort="auc", ascending=True)) == [0, 3, 1, 2]
    assert numbers(tabulated(rows, sort="classifier", ascending=True)) == [0, 3, 1, 2]


def test_rows_are_chosen(rows):
    assert numbers(tabulated(rows, where=Condition.parse("auc > 0.905"))) == [1, 3]
    assert numbers(tabulated(rows, classifier="net")) == [0, 3]
    assert numbers(tabulated(rows, state="pruned")) == [2]
    assert numbers(tabulated([])) == []


def test_only_columns_that_something_has_are_shown_unless_asked_for(rows):
    assert "depth" not in tabulated(rows, classifier="net").columns
    assert tabulated(rows, columns=["auc", "depth"]).cells[0] == (0.9, None)
    assert set(tabulated(rows, columns=["all"]).columns) > {"type", "epochs", "depth"}


def test_wrong_names_are_told_with_the_closest(rows):
    with pytest.raises(ConfigurationError, match="there is no column 'acu'; did you mean 'auc'"):
        tabulated(rows, sort="acu")
    with pytest.raises(ConfigurationError, match="there is no column 'epoch'; did you mean 'epochs'"):
        tabulated(rows, columns=["epoch"])
    with pytest.raises(ConfigurationError, match="there is no row with classifier 'nets'; did you mean 'net'"):
        tabulated(rows, classifier="nets")
    with pytest.raises(ConfigurationError, match="there is no row with state 'done'"):
        tabulated(rows, state="done")


def test_only_differences_are_compared(rows):
    table = compared(rows, [0, 3])
    assert table.columns == ("column", "0", "3")
    assert dict((row[0], row[1:]) for row in table.cells) == {"auc": (0.90, 0.91), "epochs": (10, 20)}
    with pytest.raises(ConfigurationError, match="there is no row 4; the study has 4, 0 … 3"):
        compared(rows, [0, 4])


def test_markdown_is_a_table_that_readers_align(rows):
    lines = written(tabulated(rows, columns=["number", "classifier", "auc"]), "markdown").splitlines()
    assert lines == [
        "| number | classifier |  auc |",
        "| -----: | ---------- | ---: |",
        "|      0 | net        |  0.9 |",
        "|      1 | trees      | 0.93 |",
        "|      2 | trees      |      |",
        "|      3 | net        | 0.91 |",
    ]


def test_csv_is_read_back(rows):
    table = tabulated(rows, columns=["all"])
    read = list(csv.DictReader(io.StringIO(written(table, "csv"))))
    assert [r["auc"] for r in read] == ["0.9", "0.93", "", "0.91"]


def test_points_are_sorted_by_classifier(rows):
    found = scattered(rows, "auc", "learning_rate")
    assert {name: len(x) for name, (x, _) in found.points.items()} == {"net": 2, "trees": 1}
    assert found.log
    np.testing.assert_allclose(found.points["net"][1], [0.90, 0.91])
    figure = plot_trials(found)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("Learning rate", "AUC", "log")
    assert [line.get_label() for line in axes.lines] == ["net (2)", "trees (1)"]


def test_words_and_columns_that_never_meet_are_not_plotted(rows):
    with pytest.raises(ConfigurationError, match=r"column 'type' holds words \('network'\)"):
        scattered(rows, "auc", "type")
    with pytest.raises(EmptySelectionError, match="no row has both 'epochs' and 'depth'"):
        scattered(rows, "epochs", "depth")
