"""Pages about runs that are done: `report_run` about one, `compare_runs` about several, side by side; `verdict_on` one.

They show what the folders of a run hold, and compute nothing that a test computes.
"""

from txm2sem.reporting.compare_page import compare_runs
from txm2sem.reporting.run_page import report_run
from txm2sem.reporting.verdict import concerns_of_test, verdict_on, verdict_on_cube, verdict_on_training

__all__ = ["compare_runs", "concerns_of_test", "report_run", "verdict_on", "verdict_on_cube", "verdict_on_training"]
