"""Test trained models on aligned slices or a cube: which test it is, follows from `--dataset_mode`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from txm2sem.options import TestCommand
from txm2sem.testing.cube import CubeTest
from txm2sem.testing.harness import Test, TestReport, run_test
from txm2sem.testing.repair import RepairTest
from txm2sem.testing.segmentation import SegmentationTest
from txm2sem.testing.translation import TranslationTest

TESTS: Mapping[str, type[Test[Any]]] = {
    "txm2sem": TranslationTest,
    "txm2sem3d": CubeTest,
    "image_repair": RepairTest,
    "segmentation": SegmentationTest,
}
"""The test of each `--dataset_mode`."""


def test_model(command: TestCommand) -> TestReport:
    """Test a model as its data set wants it, see `run_test`.

    Raises:
        UserError: data, options, checkpoint or device do not allow it.
    """
    return run_test(TESTS[command.dataset_mode], command)
