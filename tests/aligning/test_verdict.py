"""What an alignment comes to, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from txm2sem.aligning.document import Alignment, SliceAlignment
from txm2sem.aligning.verdict import verdict_on
from txm2sem.registration.evidence import Correlation

FITTED = Correlation(0.4, 0.6, 100)
FOUND = SliceAlignment(
    sem="sem/000.tif",
    txm="txm.tif",
    shape=(64, 64),
    bar="",
    to_txm=((0, 0, 5), (1, 0, 0), (0, 1, 0)),
    field="",
    tilt=0.0,
    turn=0.0,
    scale=1.0,
    mirrored=False,
    inverted=False,
    fitted=FITTED,
    held_out=FITTED,
    improved=True,
    confident=True,
    reason="",
    halves_apart=(),
    landmarks=(),
    split="train",
)
LOST = replace(FOUND, confident=False, reason="tiles do not agree", split="")
SPLITS = ("train", "train", "train", "train", "val", "test")


def alignment(found: list[SliceAlignment], outliers: dict[str, float] | None = None) -> Alignment:
    slices = {f"{number:03d}": one for number, one in enumerate(found)}
    return Alignment("txm.tif", "sem", "affine", (), outliers or {}, slices)


WHOLE = [replace(FOUND, split=split) for split in SPLITS]


@pytest.mark.parametrize(
    ("found", "begins", "kinds"),
    [
        (alignment(WHOLE), "All 6 slices are confirmed.", []),
        (alignment([*WHOLE, LOST, LOST]), "6 of 8 slices are confirmed;", ["not confirmed"]),
        (alignment(WHOLE, {"002": 5.25}), "All 6 slices are confirmed.", ["misaligned"]),
        (alignment(WHOLE[3:]), "All 3 slices are confirmed.", ["few slices"]),
        (alignment(WHOLE[:4]), "All 4 slices are confirmed.", ["few slices"]),
        (alignment([LOST] * 3), "No slice is confirmed, so there", ["not confirmed", "few slices"]),
        (
            alignment([replace(one, confident=False, reason="no contrast") for one in WHOLE]),
            "No slice is confirmed, so they are left as they were",
            ["not confirmed"],
        ),
    ],
)
def test_it_says_what_is_confirmed_and_what_to_mind(found: Alignment, begins: str, kinds: list[str]) -> None:
    verdict = verdict_on(found)
    assert verdict.sentence.startswith(begins)
    assert [one.kind for one in verdict.concerns] == kinds


def test_slices_that_are_left_out_are_one_concern() -> None:
    stays = replace(LOST, reason="no contrast", split="val")
    verdict = verdict_on(alignment([*WHOLE, *[LOST] * 6, stays]))
    assert verdict.named == [
        "not confirmed and left as they were: 012 (the first, as no contrast; of all of them the page says why)",
        "not confirmed and left out: 006, 007, 008, 009 and 2 more (the first, as tiles do not agree; of all of "
        "them the page says why)",
    ]


def test_what_is_far_from_the_others_is_named_with_how_far() -> None:
    (text,) = verdict_on(alignment(WHOLE, {"002": 5.25, "004": 3.0})).named
    assert text.startswith("002, 004 lie up to 5.2 voxels from where")
