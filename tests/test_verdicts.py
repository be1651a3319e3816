"""Verdicts: what is named, in which order, and what is folded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from txm2sem.pages import fragment
from txm2sem.verdicts import CONCERNS, MOST_NAMED, Concern, Verdict

concerns = st.lists(st.builds(Concern, st.sampled_from(CONCERNS), st.uuids().map(str)), max_size=12)


@given(concerns)
def test_the_most_important_are_named_and_none_is_lost(given_: list[Concern]) -> None:
    verdict = Verdict("It works.", given_)
    kinds = {one.text: CONCERNS.index(one.kind) for one in given_}
    assert sorted(verdict.ordered) == sorted(kinds)
    assert [kinds[text] for text in verdict.ordered] == sorted(kinds.values())
    assert verdict.named == verdict.ordered[:MOST_NAMED]
    assert [*verdict.named, *verdict.folded] == verdict.ordered
    for kind in CONCERNS:  # those of one kind stay in their order
        own = [one.text for one in given_ if one.kind == kind]
        assert [text for text in verdict.ordered if text in own] == own


def test_it_is_a_sentence_and_lines_below_it() -> None:
    noise, seams = Concern("noise", "it is noisy"), Concern("seams", "seams are seen")
    assert Verdict("Look at it.", [seams, noise]).lines(8) == [
        "verdict: Look at it.",
        "         - it is noisy",
        "         - seams are seen",
    ]
    many = Verdict("Look at it.", [seams] * 7)
    assert many.lines()[-1] == "          - and 2 more"
    assert len(many.lines()) == 1 + MOST_NAMED + 1


def test_a_page_folds_what_is_not_named() -> None:
    many = Verdict("Look at <it>.", [Concern("seams", f"seam {number}") for number in range(7)])
    shown, folded = fragment("parts.html", "verdict", it=many).split("<details>")
    assert "Look at &lt;it&gt;." in shown
    assert [f"Seam {number}." in shown for number in range(7)] == [True] * 5 + [False] * 2
    assert [f"Seam {number}." in folded for number in range(7)] == [False] * 5 + [True] * 2
    assert "<summary>2 more</summary>" in folded
    assert "<details>" not in fragment("parts.html", "verdict", it=Verdict("Look.", many.concerns[:5]))
