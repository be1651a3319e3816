"""What to believe of the measures of a volume, in words."""

from __future__ import annotations

from typing import Any

import pytest

from txm2sem.measuring.verdict import DRAWN, GUESSED, SEEN, verdict_on


def fraction(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


PORES = fraction(0.1, 0.09, 0.11)
PHASE: dict[str, Any] = {"name": "pores", "measured": False, "fraction": PORES, "expected_fraction": None}


def document(**values: Any) -> dict[str, Any]:
    plain = {"unit": "nm", "model": None, "voxel_size_nm": [32, 32, 32], "shape": [8, 8, 8], "phases": [PHASE]}
    return plain | values


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, SEEN),
        ({"model": {"name": "phases"}, "phases": [PHASE | {"expected_fraction": PHASE["fraction"]}]}, GUESSED),
        ({"draws": {"count": 19, "interval_level": 0.9}, "model": {"name": "s"}}, DRAWN),
    ],
)
def test_a_prediction_is_believed_otherwise_than_what_was_seen(values: dict[str, Any], sentence: str) -> None:
    verdict = verdict_on(document(**values))
    assert verdict.sentence == sentence
    assert verdict.concerns == []


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ({"voxel_size_nm": None, "unit": "voxel"}, "scale", "--voxel_size"),
        ({"shape": [1, 64, 64]}, "few slices", "one section"),
        ({"model": {"name": "phases"}}, "missed phase", "those of labels"),
        ({"draws": {"count": 2, "interval_level": 1 / 3}}, "few slices", "intervals of 2 draws hold 33%"),
    ],
)
def test_what_the_volume_lacks_is_said(values: dict[str, Any], kind: str, said: str) -> None:
    (concern,) = verdict_on(document(**values)).concerns
    assert concern.kind == kind
    assert said in concern.text


def test_a_wide_interval_is_said_of_the_fraction_that_is_shown() -> None:
    phase = {"name": "pores", "measured": False, "fraction": fraction(0.02, 0.01, 0.03)}
    narrow = phase | {"expected_fraction": fraction(0.1, 0.09, 0.11)}
    assert verdict_on(document(phases=[narrow])).concerns == []
    wide = phase | {"expected_fraction": fraction(0.1, 0.06, 0.14)}
    (concern,) = verdict_on(document(phases=[wide])).concerns
    assert concern.text.startswith("known roughly alone: 10.0% of pores (6.0% to 14.0%); ")
    absent = {"name": "pyrite", "measured": False, "fraction": fraction(0.0, 0.0, 0.01), "expected_fraction": None}
    assert verdict_on(document(phases=[absent])).concerns == []
