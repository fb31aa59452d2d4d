"""Tables, figures and pages: pure functions of results."""

from fusionser.reporting.figures import confusion_figure, speakers_figure
from fusionser.reporting.page import StudyText, result_page, study_page, write_report, write_study

__all__ = [
    "StudyText",
    "confusion_figure",
    "result_page",
    "speakers_figure",
    "study_page",
    "write_report",
    "write_study",
]
