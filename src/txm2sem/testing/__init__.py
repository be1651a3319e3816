"""Test trained models on aligned slices or a cube: which test it is, follows from `--dataset_mode`."""

from __future__ import annotations

from collections.abc import Callable

from txm2sem.options import TestCommand
from txm2sem.testing.cube import test_volume
from txm2sem.testing.repair import test_repair
from txm2sem.testing.results import TestReport
from txm2sem.testing.segmentation import test_segmentation
from txm2sem.testing.translation import test_translation

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
