"""Splits that are of another rock than the training slices."""

from __future__ import annotations

import pytest

from txm2sem.checking.content import SliceContent
from txm2sem.checking.sources import Place
from txm2sem.checking.splits import judge_splits


def content(low: float | None, high: float | None) -> SliceContent:
    return SliceContent({}, None, 1.0, None, low, high, None, 0.0, {})


@pytest.mark.parametrize(
    ("val", "test", "expected"),
    [
        ((0.12, 0.02), (0.13, 0.03), []),
        ((0.12, 0.02), (0.13, 0.07), ["high density in the slices of train, and 7.0% in those of test"]),
        ((0.05, 0.02), (0.12, 0.02), ["low density in the slices of train, and 5.0% in those of val"]),
        # Little is not much, however many times as much it is.
        ((0.12, 0.001), (0.12, 0.035), []),
        ((None, None), (0.12, None), []),
    ],
)
def test_phases_that_are_twice_as_much_in_another_split_are_noted(
    val: tuple[float | None, float | None], test: tuple[float | None, float | None], expected: list[str]
) -> None:
    contents = {
        Place("train", 0): content(0.10, 0.01),
        Place("train", 1): content(0.14, 0.03),
        Place("val", 2): content(*val),
        Place("test", 3): content(*test),
    }
    findings = judge_splits(contents)
    assert [finding.kind for finding in findings] == ["splits"] * len(expected)
    for finding, text in zip(findings, expected, strict=True):
        assert text in finding.text
        assert finding.level == "note"
