"""The distance in features, of features whose distance is known."""

from __future__ import annotations

import pytest
import torch

from txm2sem.metrics import feature_distance


def test_distances_of_known_features() -> None:
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])

    def stage(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return torch.stack([left, right], dim=-1)[None, :, None, :]

    valid = torch.ones(1, 1, 4, 8)
    # Length does not matter; orthogonal unit vectors are at the squared distance 2, opposite ones at 4.
    assert feature_distance([stage(east, 3 * north)], [stage(5 * east, north)], valid).tolist() == [0]
    assert feature_distance([stage(east, east)], [stage(north, east)], valid).tolist() == pytest.approx([1])
    assert feature_distance([stage(east, east)], [stage(-east, -east)], valid).tolist() == pytest.approx([4])
    stages = [stage(east, east), stage(east, east)], [stage(north, north), stage(east, east)]
    assert feature_distance(*stages, valid).tolist() == pytest.approx([1])
    valid[..., :4] = 0
    assert feature_distance([stage(east, east)], [stage(north, east)], valid).tolist() == [0]
    valid[..., :2] = 1
    assert feature_distance([stage(east, east)], [stage(north, east)], valid).tolist() == pytest.approx([2 / 3])
    assert feature_distance([stage(east, east)], [stage(north, east)], 0 * valid).isnan().all()
