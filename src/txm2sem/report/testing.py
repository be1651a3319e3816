"""Which test belongs to which kind of data set."""

from __future__ import annotations

from collections.abc import Callable

from txm2sem.config import TestCommand
from txm2sem.report.repair import test_repair
from txm2sem.report.results import TestReport
from txm2sem.report.segmentation import test_segmentation
from txm2sem.report.translation import test_translation
from txm2sem.report.volume import test_volume

TESTS: dict[str, Callable[[TestCommand], TestReport]] = {
    "txm2sem": test_translation,
    "txm2sem3d": test_volume,
    "image_repair": test_repair,
    "segmentation": test_segmentation,
}
"""The test of each `--dataset_mode`."""


def test_model(command: TestCommand) -> TestReport:
    """Test a model as its data set wants it.

    Raises:
        UserError: data, options, checkpoint or device do not allow it.
    """
    return TESTS[command.data.dataset_mode](command)
