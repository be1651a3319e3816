"""The segmentation module: its loss, its scores, and where its image comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from data_roots import write_data_root, write_slice
from torch import Tensor
from torch.utils.data import DataLoader

from txm2sem.checkpoints import save_network
from txm2sem.data import AlignedSlices
from txm2sem.data.classes import IGNORED
from txm2sem.data.segmentation import SegmentationEvaluationPatches, SegmentationTrainingPatches
from txm2sem.data.slices import MaskName
from txm2sem.errors import UserError
from txm2sem.model import Predictor
from txm2sem.model.first_stage import load_first_stage
from txm2sem.networks import build_generator
from txm2sem.objectives import segmentation_loss
from txm2sem.options import MODEL_DEFAULTS, GeneratorName, ModelOptions, TrainCommand, override, to_mapping
from txm2sem.runs import RunPaths, write_options
from txm2sem.training.fit import build_trainer
from txm2sem.training.segmentation import SegmentationModule

SIZE = 32
SMALL = {"ngf": 4, "patch_size": SIZE, "num_train": 2, "niter": 1, "niter_decay": 0, "num_test": 2, "batch_size": 2}


def command(**options: Any) -> TrainCommand:
    """Return small options of a segmentation."""
    plain = {"model": "segmentation", "class_weights": "1,1,1", "no_html": True}
    return override(TrainCommand(), {**MODEL_DEFAULTS["segmentation"], **plain, **SMALL, **options})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_data_root(tmp_path / "images", splits=("train",))


def batch_of(root: Path, options: TrainCommand) -> dict[str, Tensor]:
    """Return the fixed patches of the training split as one batch."""
    patches = SegmentationEvaluationPatches(AlignedSlices.open(root, "train", options.data), options.data)
    return {name: torch.stack([patch[name] for patch in patches]) for name in ("source", "target")}


def train(module: SegmentationModule, root: Path, tmp_path: Path) -> None:
    """Train on patches of `root` with the real trainer, on the CPU."""
    paths = RunPaths.of("run", tmp_path, tmp_path)
    slices, options = AlignedSlices.open(root, "train", module.command.data), module.command
    keys = [(0, index) for index in range(options.sampling.num_train)]
    training = DataLoader(
        SegmentationTrainingPatches(slices, options.data, 0), options.sampling.batch_size, sampler=keys
    )
    validation = DataLoader(SegmentationEvaluationPatches(slices, options.data))
    build_trainer(module, paths, lambda line: None, [torch.device("cpu")]).fit(module, training, validation)


def write_translator(checkpoints_dir: Path, **options: Any) -> torch.nn.Module:
    """Write a translation run named `translation` and return its generator."""
    trained = override(
        TrainCommand(),
        {
            **MODEL_DEFAULTS["srcnn"],
            "model": "srcnn",
            **SMALL,
            "netG": "sr_resnet_6blocks",
            "downsample_factor": 2,
            "txm_range": "0,255",
            "sem_range": "0,255",
            **options,
        },
    )
    paths = RunPaths.of("translation", checkpoints_dir, checkpoints_dir)
    write_options(paths.options, to_mapping(trained))
    torch.manual_seed(0)
    generator = build_generator(trained.model)
    save_network(generator, paths.network("latest", "G"))
    return generator


def predicting(tmp_path: Path, **options: Any) -> TrainCommand:
    """Return options that segment the SEM that `translation` predicts."""
    source = {"seg_mode": "semfake", "seg_source": "translation", "checkpoints_dir": tmp_path}
    return command(**source, txm_range="0,255", sem_range="0,255", **options)


# -- logits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", get_args(GeneratorName))
def test_a_generator_of_logits_differs_by_its_tanh_alone(name: GeneratorName) -> None:
    factor, size = (2, 16) if name.startswith("sr") else (1, 256 if name == "unet_256" else 128)
    options = ModelOptions(netG=name, ngf=2, output_nc=3, downsample_factor=factor, no_dropout=True)
    bounded, logits = build_generator(options), build_generator(options, bounded=False)
    logits.load_state_dict(bounded.state_dict())
    source = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one, other = bounded(source), logits(source)
    assert torch.allclose(one, other if name.endswith("filt") else other.tanh(), atol=1e-6)


def test_the_module_makes_logits_at_test_time_as_in_training(tmp_path: Path) -> None:
    module = SegmentationModule(command())
    last = [layer for layer in module.generator.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
    assert last.bias is not None
    last.bias.data = torch.tensor([5.0, -7.0, 9.0])
    source = torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    module.eval()
    with torch.no_grad():
        logits = module(source)
    assert logits.mean(dim=(0, 2, 3)).tolist() == pytest.approx([5, -7, 9], abs=1)
    paths = RunPaths.of("run", tmp_path, tmp_path)
    save_network(module.generator, paths.network("latest", "G"))
    assert torch.equal(Predictor.load(paths, "latest", module.command.model, bounded=False)(source), logits)


# -- loss ----------------------------------------------------------------------------------------------------------


def test_the_loss_is_the_weighted_mean_over_the_pixels_that_count() -> None:
    logits = torch.tensor([[[[2.0, 0.0, 5.0]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0]]]])
    target = torch.tensor([[[0, 1, IGNORED]]])
    shares = logits.softmax(dim=1)[0, :, 0]
    expected = -(2 * shares[0, 0].log() + 3 * shares[1, 1].log()) / 2
    found = segmentation_loss(logits, target, torch.tensor([2.0, 3.0, 4.0]), ignored=IGNORED)
    assert float(found) == pytest.approx(float(expected))
    # Not divided by the weights' sum: twice the weights are twice the loss.
    doubled = segmentation_loss(logits, target, torch.tensor([4.0, 6.0, 8.0]), ignored=IGNORED)
    assert float(doubled) == pytest.approx(2 * float(expected))


def test_a_batch_without_a_pixel_that_counts_costs_nothing() -> None:
    logits = torch.zeros(1, 3, 2, 2, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 2, 2), IGNORED), torch.ones(3), ignored=IGNORED)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == 0
    assert not gradient.any()


def test_masks_under_charge_change_neither_loss_nor_scores(root: Path, tmp_path: Path) -> None:
    module = SegmentationModule(command())

    def loss_and_scores() -> tuple[float, dict[str, float]]:
        batch = batch_of(root, module.command)
        module.eval()
        with torch.no_grad():
            logits = module(batch["source"])
            loss = segmentation_loss(logits, batch["target"][:, 0], torch.ones(3), ignored=IGNORED)
            module.on_validation_epoch_start()
            module.validation_step(batch, 0)
        return float(loss), {name: score.mean for name, score in module.validation_summary().items()}

    before = loss_and_scores()
    slices = AlignedSlices.open(root, "train", module.command.data)
    changes = []
    names: tuple[MaskName, ...] = ("lowdensity", "highdensity")
    for name in names:
        for index, path in enumerate(sorted((root / "train" / name).iterdir())):
            whole = (index, slice(None), slice(None))
            mask, charge = slices.mask(name, *whole), slices.mask("charge", *whole)
            changes.append((path, np.where(charge, ~mask, mask)))
    for path, mask in changes:
        write_slice(path, mask * np.uint8(255))
    assert loss_and_scores() == before
    for path, mask in changes:
        write_slice(path, ~mask * np.uint8(255))
    assert loss_and_scores() != before


# -- training ------------------------------------------------------------------------------------------------------


def test_the_network_learns_classes_that_grey_values_tell(root: Path, tmp_path: Path) -> None:
    module = SegmentationModule(command(num_train=240, lr=5e-3, ngf=8, batch_size=4))
    train(module, root, tmp_path)
    scores = {name: score.mean for name, score in module.validation_summary().items()}
    assert list(scores) == ["Dice", "Dice_neither", "Dice_low_density", "Dice_high_density"]
    assert scores["Dice"] == pytest.approx(np.mean(list(scores.values())[1:]))
    assert scores["Dice"] > 0.7


@pytest.mark.parametrize("options", [{"class_weights": "1,1,5"}, {"lambda_img_grad": 1.0}, {"norm": "instance"}])
def test_each_option_changes_the_training(root: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    networks = []
    for choice in ({}, options):
        module = SegmentationModule(command(**choice))
        train(module, root, tmp_path)
        networks.append([value.detach() for value in module.generator.parameters()])
    assert len(networks[0]) != len(networks[1]) or any(
        not torch.equal(one, other) for one, other in zip(*networks, strict=True)
    )


def test_the_scores_are_those_of_all_pixels_together() -> None:
    module = SegmentationModule(command())
    one, other = torch.zeros(2, SIZE, SIZE, dtype=torch.int64)
    other[0, 0] = 2
    logits = torch.zeros(1, 3, SIZE, SIZE)
    logits[:, 0] = 1
    module.forward = lambda source: logits.expand(len(source), -1, -1, -1)  # type: ignore[method-assign]
    module.on_validation_epoch_start()
    module.validation_step({"source": torch.zeros(2, 1, SIZE, SIZE), "target": torch.stack([one, other])[:, None]}, 0)
    scores = module.validation_summary()
    # A mean over patches would give the missed class of one pixel a quarter of the whole.
    assert scores["Dice_neither"].mean == pytest.approx((4 * SIZE**2 - 2) / (4 * SIZE**2 - 1))
    assert np.isnan(scores["Dice_low_density"].mean)
    assert scores["Dice"].mean == pytest.approx(scores["Dice_neither"].mean / 2)


def test_pictures_show_what_is_segmented(root: Path) -> None:
    module = SegmentationModule(command())
    batch = batch_of(root, module.command)
    pictures = module.pictures(
        torch.eye(3)[2][:, None, None].expand(3, SIZE, SIZE), {k: v[0] for k, v in batch.items()}
    )
    assert set(pictures) == {"input", "labels_fake", "labels"}
    assert (pictures["labels_fake"] == 255).all()
    assert set(np.unique(pictures["labels"])) <= {0, 64, 128, 255}
    assert all(image.shape == (SIZE, SIZE) and image.dtype == np.uint8 for image in pictures.values())


# -- a predicted SEM -----------------------------------------------------------------------------------------------


def test_the_predicted_sem_is_the_translation_models(root: Path, tmp_path: Path) -> None:
    generator = write_translator(tmp_path)
    module = SegmentationModule(predicting(tmp_path))
    module.train()
    source = batch_of(root, module.command)["source"]
    generator.eval()
    with torch.no_grad():
        expected = generator(source[..., ::2, ::2])
    assert torch.equal(module.translated(source), expected)
    assert torch.equal(module.generator_input(source), expected)
    assert not module.translated(source.clone().requires_grad_()).requires_grad
    module.eval()
    with torch.no_grad():
        assert torch.equal(module(source), module.generator(expected))


def test_the_translation_model_stays_as_it_is(root: Path, tmp_path: Path) -> None:
    before = {key: value.clone() for key, value in write_translator(tmp_path).state_dict().items()}
    module = SegmentationModule(predicting(tmp_path, lambda_img_grad=1e-3))
    start = [value.detach().clone() for value in module.generator.parameters()]
    train(module, root, tmp_path / "run")
    assert module.first_stage is not None
    after = module.first_stage.generator.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert any(not torch.equal(one, other) for one, other in zip(start, module.generator.parameters(), strict=True))
    assert set(module.networks) == {"G"}
    assert all(value.grad is None for value in module.first_stage.generator.parameters())


def test_other_modes_load_no_translation_model(tmp_path: Path) -> None:
    for seg_mode in ("sem", "txm"):
        options = command(seg_mode=seg_mode)
        assert load_first_stage(options.run, options.data) is None


def test_ranges_left_to_be_measured_are_those_of_the_translation_model(root: Path, tmp_path: Path) -> None:
    write_translator(tmp_path, txm_range="5,250", sem_range="1,240")
    options = command(seg_mode="semfake", seg_source="translation", checkpoints_dir=tmp_path, sem_range="1,240")
    resolved = SegmentationModule.resolve(options, AlignedSlices.open(root, "train", options.data))
    assert (resolved.data.txm_range, resolved.data.sem_range) == ("5,250", "1,240")
    SegmentationModule(resolved)


@pytest.mark.parametrize(
    ("written", "options", "message"),
    [
        ({}, {"seg_source": ""}, "pass --seg_source NAME"),
        ({}, {"seg_source": "none"}, r"none: expected the options .* holds translation"),
        ({"model": "segmentation"}, {}, "is a run of --model segmentation; expected a translation model"),
        ({"direction": "BtoA"}, {}, "--direction BtoA: it predicts the TXM"),
        ({"context_slices": 1, "input_nc": 3}, {}, "--context_slices 1: it sees neighbouring TXM slices"),
        ({"netG": "sampled_unet", "downsample_factor": 1}, {}, "draws samples .* pass a volume of them to .* measure"),
        ({"gamma": 0.5}, {}, "trained with --gamma 0.5, but here it is 1.0"),
        ({"sem_range": "0,200"}, {}, "trained with --sem_range 0,200, but here it is 0,255"),
        (
            {"netG": "unet_128", "downsample_factor": 1},
            {},
            "--patch_size 32: expected a multiple of 128 .* pass .* 128",
        ),
    ],
)
def test_a_source_that_cannot_be_used_is_refused(
    tmp_path: Path, written: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    write_translator(tmp_path, **written)
    with pytest.raises(UserError, match=message):
        SegmentationModule(override(predicting(tmp_path), options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seg_source": "translation"}, "--seg_source does nothing with --seg_mode sem"),
        ({"seg_mode": "semfake", "seg_source": "translation", "name": "translation"}, "is the name of this run"),
    ],
)
def test_names_that_would_mislead_are_refused(root: Path, options: dict[str, Any], message: str) -> None:
    wanted = command(**options)
    with pytest.raises(UserError, match=message):
        SegmentationModule.resolve(wanted, AlignedSlices.open(root, "train", wanted.data))
