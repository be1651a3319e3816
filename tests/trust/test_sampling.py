"""Several predictions of one image: what is random in them, and which checkpoints make an ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from txm2sem.checkpoints import save_network
from txm2sem.data import GreyRange
from txm2sem.data.txm_input import TxmInput
from txm2sem.errors import UserError
from txm2sem.model import Predictor
from txm2sem.model.planes import PlaneTranslator
from txm2sem.networks import build_generator, initialise
from txm2sem.objectives import laplace_variance
from txm2sem.options import DataOptions, ModelOptions, TrustOptions
from txm2sem.runs import RunPaths
from txm2sem.tiling import Tiling
from txm2sem.trust.sampling import Sampler, choose_method, drawn_from, ensemble_labels

OPTIONS = ModelOptions(model="srgan", netG="sr_resnet_6blocks", ngf=2, norm="batch", downsample_factor=2)
SOURCE = torch.rand(1, 1, 31, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1


def predictor(seed: int = 0, **changes: Any) -> Predictor:
    options = ModelOptions(**vars(OPTIONS) | changes)
    network = build_generator(options)
    initialise(network, init_gain=0.1, generator=torch.Generator().manual_seed(seed))
    return Predictor(network, options)


def test_the_prediction_is_the_one_without_dropout_and_the_variance_that_of_the_samples() -> None:
    one = predictor()
    prediction, variance = Sampler(one, "dropout", 4)(SOURCE, (7, 3))
    assert torch.equal(prediction, one.any_size(SOURCE))
    samples = []
    for number in range(4):
        with drawn_from([7, 3, number]):
            samples.append(one.with_dropout(one.padded(SOURCE))[..., :31, :20])
    torch.testing.assert_close(variance, torch.stack(samples).var(dim=0))
    assert variance.min() > 0
    assert len({layer.training for layer in one.generator.modules()}) == 1


def test_samples_depend_on_their_numbers_and_disturb_no_other_randomness() -> None:
    sampler = Sampler(predictor(), "dropout", 3)
    torch.manual_seed(0)
    first = sampler(SOURCE, (0, 1))[1]
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), drawn)
    assert torch.equal(sampler(SOURCE, (0, 1))[1], first)
    assert not torch.equal(sampler(SOURCE, (0, 2))[1], first)


def test_an_ensemble_differs_as_its_members_do() -> None:
    members = [predictor(seed) for seed in range(3)]
    prediction, variance = Sampler(members[0], "checkpoints", 3, members[1:])(SOURCE, ())
    assert torch.equal(prediction, members[0].any_size(SOURCE))
    torch.testing.assert_close(variance, torch.stack([one.any_size(SOURCE) for one in members]).var(dim=0))


def test_a_plane_in_tiles_is_drawn_from_its_own_numbers() -> None:
    one = predictor()
    translator, sampler = (
        PlaneTranslator(one, TxmInput.of(DataOptions(), GreyRange(0, 255))),
        Sampler(one, "dropout", 2),
    )
    plane = torch.rand(1, 64, 128, generator=torch.Generator().manual_seed(1)).numpy() * 2 - 1
    tiling = Tiling((64, 128), (1, 2), halo=8, multiple=2)
    first = translator.sample(plane, tiling, sampler, (0, 5))
    # As a worker does that has this plane alone, or after others.
    translator.sample(plane, tiling, sampler, (0, 4))
    assert np.array_equal(translator.sample(plane, tiling, sampler, (0, 5)), first)
    assert np.array_equal(first[:1], translator.translate(plane, tiling))
    assert not np.array_equal(translator.sample(plane, tiling, sampler, (1, 5))[1], first[1])
    # Both tiles see the same, as their borders are 56 pixels apart, but are not drawn alike.
    same = np.concatenate([plane[..., :56]] * 3, axis=2)[..., :128]
    spreads = translator.sample(same, Tiling((64, 128), (1, 2), halo=0, multiple=2), sampler, (0, 5))
    assert np.allclose(spreads[0, :, 17:55], spreads[0, :, 73:111])
    assert not np.allclose(spreads[1, :, 17:55], spreads[1, :, 73:111])


def test_a_model_that_predicts_its_scale_needs_one_pass_and_others_add_to_it() -> None:
    own = predictor(model="srcnn", output_nc=2)
    output = own.output(own.padded(SOURCE))[..., :31, :20]
    assert output.shape[1] == 2
    prediction, variance = Sampler(own, "scale", 1)(SOURCE, ())
    assert torch.equal(prediction, own.any_size(SOURCE))
    assert torch.equal(prediction, output[:, :1])
    torch.testing.assert_close(variance, laplace_variance(output[:, 1:]))
    samples = []
    for number in range(3):
        with drawn_from([number]):
            samples.append(own.with_dropout(own.padded(SOURCE))[..., :31, :20])
    images, channels = torch.stack(samples).chunk(2, dim=2)
    expected = images.var(dim=0) + laplace_variance(channels).mean(dim=0)
    torch.testing.assert_close(Sampler(own, "dropout", 3)(SOURCE, ())[1], expected)


def test_dropout_is_taken_where_there_is_any() -> None:
    assert choose_method(TrustOptions(uncertainty=2), predictor()) == "dropout"
    assert choose_method(TrustOptions(uncertainty=2), predictor(no_dropout=True)) == "checkpoints"
    assert choose_method(TrustOptions(uncertainty=1), predictor(model="srcnn", output_nc=2)) == "scale"
    with pytest.raises(UserError, match="train one with --regression_loss laplace"):
        choose_method(TrustOptions(uncertainty=2, uncertainty_from="scale"), predictor())
    with pytest.raises(UserError, match="this model has no dropout"):
        choose_method(TrustOptions(uncertainty=2, uncertainty_from="dropout"), predictor(no_dropout=True))
    with pytest.raises(UserError, match="expected 2 or more predictions"):
        choose_method(TrustOptions(uncertainty=1), predictor())


def test_an_ensemble_has_the_latest_checkpoints_that_differ(tmp_path: Path) -> None:
    paths = RunPaths.of("run", tmp_path, tmp_path)
    for label, seed in {"latest": 10, "10": 10, "5": 5, "2": 2, "1": 1, "iter_3": 3}.items():
        save_network(predictor(seed).generator, paths.network(label, "G"))
    assert ensemble_labels(paths, "latest", 3) == ["latest", "5", "2"]
    assert ensemble_labels(paths, "5", 2) == ["5", "2"]
    with pytest.raises(UserError, match=r"found 4 \(latest, 5, 2, 1\); pass --uncertainty 4"):
        ensemble_labels(paths, "latest", 5)
    with pytest.raises(UserError, match="keeps none but 1; train with a smaller --save_epoch_freq"):
        ensemble_labels(paths, "1", 2)
