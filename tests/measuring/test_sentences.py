"""What is said of each phase: all of what was seen, and of a prediction what can be believed at all."""

from __future__ import annotations

from typing import Any

import pytest

from txm2sem.measures import promise, sentence, sentences
from txm2sem.measuring.verdict import THRESHOLDS, verdict_on


def fraction(value: float, low: float | None = None, high: float | None = None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def phase(label: int = 1, name: str = "low density", measured: bool = True, **values: Any) -> dict[str, Any]:
    """Return a phase of a document that reaches through the volume along z, and conducts there."""
    plain: dict[str, Any] = {
        "label": label,
        "name": name,
        "measured": measured,
        "fraction": fraction(0.1),
        "expected_fraction": None,
        "thickness": {"mean": 133.0, "median": 120.0, "largest": 300.0},
        "surface": 1e-3,
        "euler_number": 1e-9,
        "clusters": {
            "number": 16,
            "number_per_volume": 1e-9,
            "largest_share": 0.82,
            "percolating_share": {"z": 0.7, "y": 0.0, "x": 0.0},
        },
        "chords": {},
        "correlation": {},
        "anisotropy": 1.0,
        "diffusion": {"z": {"relative": 0.026, "tortuosity_factor": 3.8}},
    }
    return plain | values


def document(*phases: dict[str, Any], **values: Any) -> dict[str, Any]:
    plain = {
        "unit": "nm",
        "model": None,
        "guess": False,
        "thresholds": None,
        "interval_level": 0.9,
        "voxel_size_nm": [32, 32, 32],
        "shape": [8, 8, 8],
        "phases": list(phases),
    }
    return plain | values


def said(guess: bool = True, **values: Any) -> str:
    one = phase(**values)
    return sentence(one, document(one, guess=guess))


def concerns(one: dict[str, Any]) -> list[tuple[str, str]]:
    return [(found.kind, found.text) for found in verdict_on(document(one, guess=True)).concerns]


def test_what_was_seen_hangs_together_and_conducts() -> None:
    assert said(guess=False, fraction=fraction(0.1, 0.08, 0.12)) == (
        "low density: 10.0% (8.0% to 12.0%), 133 nm thick in the mean; 16 clusters, 82% of it in the largest, reaching "
        "through the volume along z; it conducts 0.026 along z of what it would if it filled the volume."
    )


def test_a_prediction_has_a_fraction_with_what_it_is_worth_and_a_thickness() -> None:
    likely: dict[str, Any] = {"fraction": fraction(0.09), "expected_fraction": fraction(0.101, 0.055, 0.146)}
    worth = "on ten synthetic rocks of other contents such intervals held it in 3 to 5 of 10, docs/rock.md"
    thick = "133 nm thick in the mean (of the 9.0% that labels find)."
    assert said(**likely, training_share=0.129) == (
        f"low density: 10.1% (training slices: 12.9%; 5.5% to 14.6% if the model were right here; {worth}), {thick}"
    )
    assert said(**likely, label=2, name="high density") == (
        f"high density: 10.1% (5.5% to 14.6% if the model were right here), {thick}"
    )
    assert "held it in 0 to 2 of 10" in said(fraction=fraction(0.1, 0.08, 0.12))
    assert said(fraction=fraction(0.1)) == "low density: 10.0%, 133 nm thick in the mean."


@pytest.mark.parametrize(
    ("found", "words", "kind"),
    [
        (0.000044, "labels find only 0.0044% of the 10.0%, nearly nothing", "missed phase"),
        (0.0, "labels find only 0% of the 10.0%, nearly nothing", "missed phase"),
        (0.006, "labels find only 0.6% of the 10.0%", "sizes"),
        (0.066, "labels find only 6.6% of the 10.0%", "sizes"),
        (0.067, "", ""),
        (0.149, "", ""),
        (0.151, "labels find 15.1% in place of the 10.0%", "sizes"),
    ],
)
@pytest.mark.parametrize("guess", [False, True])
def test_sizes_of_labels_that_find_something_else_are_not_told(
    guess: bool, found: float, words: str, kind: str
) -> None:
    values: dict[str, Any] = {"fraction": fraction(found), "expected_fraction": fraction(0.1)}
    text = said(guess, **values)
    if not words:
        assert f", 133 nm thick in the mean (of the {found:.1%} that labels find)" in text
        assert concerns(phase(**values)) == []
        return
    assert text == f"low density: 10.0%; {words}, so its sizes are not known."
    ((named, concern),) = concerns(phase(**values))
    assert named == kind
    assert concern.startswith(f"low density: {words}; ")


def test_what_is_between_the_phases_comes_last() -> None:
    rest = phase(0, "neither", measured=False, fraction=fraction(0.9))
    matrix = rest | {"name": "matrix"}
    names = [[text.split(":")[0] for text in sentences(document(one, phase()))] for one in (rest, matrix)]
    assert names == [["low density", "rest (neither phase)"], ["low density", "matrix"]]
    assert sentences(document(rest | {"measured": True}, phase()))[0].startswith("neither: 90.0%, 133 nm thick")


def test_what_intervals_promise_is_said_of_what_they_are_of() -> None:
    likely = phase(expected_fraction=fraction(0.1, 0.05, 0.15))
    assert promise(document(likely)).endswith("this volume is a part, in 90 of 100 cases.")
    guessed = promise(document(likely, guess=True))
    assert "if the model were right here; on ten synthetic rocks" in guessed
    assert "held low density in 3 to 5 of 10 (docs/rock.md)" in guessed
    assert "held low density in 0 to 2 of 10" in promise(document(phase(), guess=True))
    assert promise(document(phase(), draws={"count": 19})) == ""


def test_thresholds_of_a_prediction_are_a_concern_and_those_of_a_sem_are_not() -> None:
    told = document(phase(), thresholds=[80, 170])
    assert verdict_on(told).concerns == []
    assert [one.text for one in verdict_on(told | {"guess": True}).concerns] == [THRESHOLDS]
    assert verdict_on(told | {"guess": True, "draws": {"count": 19, "interval_level": 0.9}}).concerns == []
