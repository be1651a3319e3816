"""What a training begins with: a model's weights as far as they fit, layers that keep them, and how it goes on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from cli.volumes import TRANSLATES
from data_roots import write_data_root
from repair_roots import write_repair_root
from test_archives import entries, write
from torch import Tensor, nn

from txm2sem.checkpoints import save_network
from txm2sem.errors import UserError
from txm2sem.networks import GENERATORS, build_discriminator, build_generator, convolutions
from txm2sem.options import GeneratorOptions, TrainCommand, override, to_mapping
from txm2sem.resolving import resolve
from txm2sem.runs import RunPaths, write_options
from txm2sem.training.fit import fit
from txm2sem.training.models import MODELS
from txm2sem.training.starting import begin_with, frozen_modules

TINY: dict[str, Any] = {"ngf": 4, "ndf": 4, "patch_size": 32, "num_train": 4, "num_test": 1, "niter": 2}
TINY |= {"niter_decay": 0, "num_threads": 0, "gpu_ids": "-1", "no_html": True, "save_latest_freq": 2}


def command(folder: Path, **options: Any) -> TrainCommand:
    """Return a small training in a folder; the network is one of the smaller ones."""
    places = {name: folder / name.partition("_")[0] for name in ("checkpoints_dir", "results_dir")}
    places["dataroot"] = folder / "images"
    return resolve(TrainCommand(), {"model": "feedforward", "netG": "resnet_6blocks", **TINY, **places, **options})


def begun(folder: Path, start: nn.Module, label: str = "G", **options: Any) -> tuple[nn.Module, nn.Module, list[str]]:
    """Return a network as it is, and as it begins with another's weights in a file, and what is said."""
    save_network(start, folder / f"latest_net_{label}.pth")
    asked = command(folder, init_from=str(folder / "latest_net_G.pth"), name="new", **options)
    fresh, network = (MODELS[asked.model.model](asked).networks[label].eval() for _ in range(2))
    lines: list[str] = []
    begin_with({label: network}, asked, lines.append)
    return fresh, network, lines


def weights(paths: RunPaths, name: str) -> dict[str, Tensor]:
    """Return the weights in a file of a run."""
    found: dict[str, Tensor] = torch.load(paths.checkpoints / name, weights_only=True)
    return found


def random_images(channels: int, side: int = 32) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def made(folder: Path, seed: int, **options: Any) -> nn.Module:
    """Return the generator of options, with weights of its own."""
    return MODELS["feedforward"](command(folder, seed=seed, **options)).generator.eval()


# -- weights that fit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in GENERATORS if name not in ("unet_256", "textured_unet")])
def test_more_slices_change_nothing_at_first_and_fewer_keep_their_own(name: str, tmp_path: Path) -> None:
    factor, side = (2 if name.startswith("sr") else 1), (128 if name == "unet_128" else 32)
    options: dict[str, Any] = {"netG": name, "downsample_factor": factor, "ngf": 1, "patch_size": side, "norm": "batch"}
    many = random_images(5, side)
    one = made(tmp_path, 7, **options)
    _, network, _ = begun(tmp_path, one, **options, context_slices=2)
    assert torch.allclose(network(many), one(many[:, 2:3]), atol=1e-5)
    three = made(tmp_path, 8, **options, context_slices=1)
    alone = torch.zeros(2, 3, side, side)
    alone[:, 1] = many[:, 0]
    _, network, _ = begun(tmp_path, three, **options)
    assert torch.allclose(network(many[:, :1]), three(alone), atol=1e-5)


def test_grain_stays_in_its_channel(tmp_path: Path) -> None:
    options: dict[str, Any] = {"netG": "textured_unet", "norm": "none"}
    one = made(tmp_path, 7, **options).state_dict()
    _, network, _ = begun(tmp_path, made(tmp_path, 7, **options), **options, context_slices=1)
    found, name = network.state_dict(), "translate.enter.weight"
    assert torch.equal(found[name][:, 16:32], one[name][:, :16])
    assert torch.equal(found[name][:, 48:], one[name][:, 16:])
    assert not found[name][:, :16].any()


def test_the_scale_of_the_error_begins_anew_beside_the_image(tmp_path: Path) -> None:
    one, images = made(tmp_path, 7), random_images(1)
    fresh, network, _ = begun(tmp_path, one, regression_loss="laplace")
    assert torch.allclose(network(images)[:, :1], one(images), atol=1e-6)
    last = list(network.state_dict())[-2]
    assert torch.equal(network.state_dict()[last][1], fresh.state_dict()[last][1])


def test_classes_begin_anew_upon_what_a_translation_has_learned(tmp_path: Path) -> None:
    one = made(tmp_path, 7).state_dict()
    fresh, network, lines = begun(tmp_path, made(tmp_path, 7), model="segmentation", class_weights="1,1,1")
    found = network.state_dict()
    anew = [key for key, value in found.items() if torch.equal(value, fresh.state_dict()[key])]
    last = [key for key, value in found.items() if value.shape != one[key].shape]
    assert set(last) <= set(anew)
    assert all(torch.equal(value, one[key]) for key, value in found.items() if key not in last)
    assert f"{len(found) - len(last)} of {len(found)} tensors" in lines[0]
    options: dict[str, Any] = {"model": "segmentation", "seg_mode": "txm", "class_weights": "1,1,1"}
    _, network, _ = begun(tmp_path, made(tmp_path, 7), **options, context_slices=1)
    first = next(iter(found))
    seen = network.state_dict()[first]
    assert torch.equal(seen[:, 1:2], one[first])
    assert not seen[:, ::2].any()


@pytest.mark.parametrize(("old", "new"), [(False, True), (True, False), (True, True)])
def test_a_discriminator_sees_what_both_see(old: bool, new: bool, tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": "srgan", "netG": "sr_resnet_6blocks", "downsample_factor": 2}
    before = command(tmp_path, **options, d_condition=old)
    write_options(tmp_path / "options.yaml", to_mapping(before))
    save_network(build_generator(before.model), tmp_path / "latest_net_G.pth")
    judge = build_discriminator(before.model, 1 + old).eval()
    _, network, _ = begun(tmp_path, judge, "D", **options, d_condition=new)
    txm, sem = random_images(2).chunk(2, dim=1)
    if old and not new:
        txm = torch.zeros_like(txm)
    seen = {False: sem, True: torch.cat([txm, sem], dim=1)}
    assert torch.allclose(network(seen[new]), judge(seen[old]), atol=1e-5)


def test_a_file_of_a_model_is_begun_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a colleague's, who has sent it: its weights, and what its channels are, from the options in it."""
    monkeypatch.chdir(tmp_path)
    path = write(entries("mine")).absolute()
    saved = {**TRANSLATES, "no_dropout": True}
    asked = resolve(TrainCommand(), {**TINY, **saved, "dataroot": "images", "name": "new", "init_from": str(path)})
    network = MODELS[asked.model.model](asked).generator
    begin_with({"G": network}, asked, lambda line: None)
    kept = torch.load("checkpoints/mine/latest_net_G.pth", weights_only=True)
    assert all(torch.equal(value, kept[key]) for key, value in network.state_dict().items())


def test_the_running_average_begins_where_the_network_does(tmp_path: Path) -> None:
    one = made(tmp_path, 7)
    save_network(one, tmp_path / "latest_net_G.pth")
    module = MODELS["feedforward"](command(tmp_path, init_from=str(tmp_path / "latest_net_G.pth"), ema=0.9))
    module.begin(lambda line: None)
    assert all(torch.equal(value, one.state_dict()[key]) for key, value in module.results["G"].state_dict().items())


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"init_from": "absent"}, "no such run.*has old, and translate comes along"),
        ({"init_from": "old", "ngf": 3, "netG": "residual_unet"}, "nothing in .*made with --netG resnet_6blocks"),
        ({"init_from": "run"}, "name of this run"),
        ({"init_from": "model.txt"}, "expected the name of a run, or a file of weights"),
        ({"init_from": "absent.pth"}, r"no checkpoint absent\.pth"),
        ({"init_from": "old", "freeze": "18"}, "nothing would be learned; expected 1 to 17"),
        ({"init_from": "old", "freeze": "model"}, "nothing would be learned"),
        ({"init_from": "old", "freeze": "0"}, "nothing is kept"),
        ({"init_from": "old", "freeze": "modell"}, "did you mean model"),
        ({"freeze": "3"}, "without --init_from"),
    ],
)
def test_what_cannot_be_begun_with_is_refused_before_anything_is_written(
    options: dict[str, Any], match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_data_root(tmp_path / "images")
    Path("model.txt").write_text("")
    save_network(made(tmp_path, 1), tmp_path / "checkpoints/old/latest_net_G.pth")
    with pytest.raises(UserError, match=match):
        fit(command(tmp_path, **{"name": "run", **options}), lambda line: None)
    assert not (tmp_path / "checkpoints/run").exists()


# -- layers that keep their weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATORS)
def test_every_weight_belongs_to_one_convolution(name: str) -> None:
    factor = 2 if name.startswith("sr") else 1
    options = GeneratorOptions(netG=name, ngf=1, norm="batch", downsample_factor=factor)  # type: ignore[arg-type]
    network, layers = build_generator(options), convolutions(options)
    kinds = [type(network.get_submodule(layer[0])) for layer in layers]
    assert all(issubclass(kind, nn.Conv2d | nn.ConvTranspose2d) for kind in kinds)
    names = [name for layer in layers for name in layer]
    learned = {".".join(key.split(".")[:-1]) for key, _ in network.named_parameters()}
    assert sorted(names) == sorted(learned)


def test_layers_are_named_or_counted_from_the_image() -> None:
    options = override(TrainCommand(), {"netG": "residual_unet", "norm": "none", "init_from": "x"})
    found = {text: frozen_modules(override(options, {"freeze": text}).model) for text in ("1", "3", "enter, encode.0")}
    assert found["1"] == ["enter"]
    assert set(found["3"]) == set(found["enter, encode.0"])


@pytest.mark.parametrize("model", ["segmentation", "repair"])
def test_frozen_layers_stay_and_a_resumed_run_begins_with_nothing_anew(model: str, tmp_path: Path) -> None:
    (write_repair_root if model == "repair" else write_data_root)(tmp_path / "images")
    kind: dict[str, Any] = {"model": model, "norm": "batch", "num_train": 2, "netG": "resnet_6blocks"}
    lines: list[str] = []
    old = fit(command(tmp_path, **kind, name="old", niter=1), lines.append)
    networks = [path.name for path in sorted(old.checkpoints.glob("latest_net_*.pth"))]
    assert len(networks) == (2 if model == "repair" else 1)
    start = weights(old, "latest_net_G.pth")
    kind |= {"init_from": "old", "freeze": "3", "ema": 0.5}
    whole = fit(command(tmp_path, **kind, name="whole"), lines.append)
    fit(command(tmp_path, **kind, name="parts", niter=1), lines.append)
    shutil.rmtree(old.checkpoints)  # what was begun with is not asked for again
    parts = fit(command(tmp_path, **kind, name="parts", continue_train=True), lines.append)
    for name in networks:
        found = weights(parts, name)
        assert all(torch.equal(value, found[key]) for key, value in weights(whole, name).items()), name
    kept = {key for key, value in weights(whole, "latest_net_G.pth").items() if torch.equal(value, start[key])}
    assert kept == {key for key in start if key.split(".")[1] in ("1", "2", "4", "5", "7", "8")}


def test_a_discriminator_is_begun_with_where_there_is_one(tmp_path: Path) -> None:
    asked = command(tmp_path, model="pix2pix", name="new", init_from="old", norm="batch")
    module = MODELS["pix2pix"](asked)
    run = tmp_path / "checkpoints/old"
    save_network(module.generator, run / "latest_net_G.pth")
    before = {key: value.clone() for key, value in module.networks["D"].state_dict().items()}
    module.begin(lambda line: None)
    assert all(torch.equal(value, before[key]) for key, value in module.networks["D"].state_dict().items())
    judge = MODELS["pix2pix"](command(tmp_path, model="pix2pix", seed=5, norm="batch")).networks["D"]
    save_network(judge, run / "latest_net_D.pth")
    module.begin(lambda line: None)
    assert all(torch.equal(value, judge.state_dict()[key]) for key, value in module.networks["D"].state_dict().items())
