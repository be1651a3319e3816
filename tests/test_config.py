"""Options have values of their types within their limits, wherever an object of them is made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from txm2sem.errors import UserError
from txm2sem.options import PhantomCommand, TestCommand, TrainCommand, VolumeCommand, fields_of, override, run_name


@pytest.mark.parametrize("command", [TrainCommand(), TestCommand(), VolumeCommand(), PhantomCommand()], ids=repr)
def test_every_number_has_a_smallest_and_a_largest_value(command: Any) -> None:
    for _, option, value in fields_of(command):
        if isinstance(value, int | float) and not isinstance(value, bool) and option.name != "bits":
            low, high = option.metadata["at_least"], option.metadata["at_most"]
            assert low <= value <= high < math.inf
            for beyond in (low - 1, high + 1, math.nan, math.inf, str(value), None, True, [value]):
                with pytest.raises(UserError, match=f"--{option.name} "):
                    override(command, {option.name: beyond})


@pytest.mark.parametrize(
    "values",
    [
        {"ngf": 4.0},
        {"netG": "evil"},
        {"netG": []},
        {"no_dropout": 1},
        {"txm_dir": None},
        {"txm_dir": "a\nb"},
        {"dataroot": 5},
        {"name": "../x"},
        {"sample_name": "a/b"},
    ],
)
def test_other_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"--{next(iter(values))} "):
        override(TrainCommand(), values)


def test_whole_numbers_are_numbers() -> None:
    lr = override(TrainCommand(), {"lr": 1}).schedule.lr
    assert lr == 1
    assert type(lr) is float


@pytest.mark.parametrize(
    "suffix", ["{ngf:>2000000000}", "{lr!r}", "{model.__class__}", "{0}", "{}", "{model", "{nett}"]
)
def test_a_suffix_has_names_of_options_alone(suffix: str) -> None:
    with pytest.raises(UserError, match="--suffix"):
        run_name(override(TrainCommand(), {"suffix": suffix}))
