"""The record of trainings, in a database that Optuna and its dashboard read too.

Which one do I use? `Record` to open a database and to add or read rows; `Condition` to filter them; `tabulated` and
`compared` to make tables of them; `run_study` to let a sampler choose settings. Rows hold numbers and words as JSON;
nothing is pickled.
"""

from hypotheta.trials.expressions import Condition
from hypotheta.trials.record import Record, Row, Training
from hypotheta.trials.space import Choices, Range, SearchSpace
from hypotheta.trials.study import Study, StudyResult, run_study
from hypotheta.trials.tables import RowTable, TrialScatter, compared, scattered, tabulated, written

__all__ = [
    "Choices",
    "Condition",
    "Range",
    "Record",
    "Row",
    "RowTable",
    "SearchSpace",
    "Study",
    "StudyResult",
    "Training",
    "TrialScatter",
    "compared",
    "run_study",
    "scattered",
    "tabulated",
    "written",
]
