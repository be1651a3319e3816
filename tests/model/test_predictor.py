"""What a predictor refuses to hand on."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from txm2sem.errors import UserError
from txm2sem.model.predictor import Predictor
from txm2sem.options import ModelOptions


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_single_value_that_is_not_finite_is_refused(value: float) -> None:
    source = torch.linspace(-1, 1, 36).reshape(1, 1, 6, 6)
    predictor = Predictor(nn.Identity(), ModelOptions())
    assert torch.equal(predictor(source), source)
    source[0, 0, 3, 4] = value
    with pytest.raises(UserError, match="not finite"):
        predictor(source)
