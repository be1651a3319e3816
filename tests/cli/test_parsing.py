"""Options: every field is a flag, and defaults come from the model, the saved run and the user, in that order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.calls import Program
from txm2sem.cli.parsing import UsageError, parse, parse_model_command
from txm2sem.options import (
    MODEL_DEFAULTS,
    RECIPES,
    PhantomCommand,
    TestCommand,
    TrainCommand,
    TranslateCommand,
    fields_of,
    override,
    run_name,
    to_mapping,
)
from txm2sem.runs import RunPaths, write_options

COMMANDS = [TrainCommand(), TestCommand(), PhantomCommand(), TranslateCommand()]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_options_travel_as_a_flat_mapping_because_their_names_are_unique(command: Any) -> None:
    names = [option.name for _, option, _ in fields_of(command)]
    assert len(names) == len(set(names))
    assert override(command, to_mapping(command)) == command


@pytest.mark.parametrize("name", ["train", "test", "phantom", "translate"])
def test_help_lists_every_option(program: Program, name: str) -> None:
    command = {"train": COMMANDS[0], "test": COMMANDS[1], "phantom": COMMANDS[2], "translate": COMMANDS[3]}[name]
    outcome = program(f"{name} --help")
    assert outcome.status == 0
    for _, option, _ in fields_of(command):
        assert f"--{option.name} " in outcome.out


def test_the_programs_own_help_and_version(program: Program) -> None:
    assert "train a model" in program("--help").out
    assert program("--version").out.startswith("txm2sem ")


SEEDS_COMMANDS: dict[str, dict[str, Any]] = {
    "--name srcnn_imgreg --model srcnn --netG sr_resnet_9blocks --niter 50 --niter_decay 25 --downsample_factor 2 "
    "--patch_size 128 --lambda_img_grad 1e-4": {"ngf": 256, "norm": "batch", "no_dropout": True, "niter_decay": 25},
    "--name srgan_no_reg --model srgan --netG sr_resnet_9blocks --niter 50 --niter_decay 25 --downsample_factor 4 "
    "--patch_size 128 --lambda_L1 100": {"lambda_L1": 100.0, "gan_mode": "vanilla", "pool_size": 0, "ngf": 256},
    "--name srgan_imgreg --model srgan --netG sr_resnet_9blocks --niter 50 --niter_decay 25 --downsample_factor 4 "
    "--patch_size 128 --lambda_L1 1000 --lambda_img_grad 1e-4": {"lambda_img_grad": 1e-4, "no_dropout": False},
    "--gan_mode wgangp --lambda_gp 1e1": {"model": "pix2pix", "netG": "unet_256", "ngf": 64, "lambda_gp": 10.0},
    "--model feedforward --gpu_ids -1": {"netG": "resnet_9blocks", "norm": "batch", "no_dropout": True},
    "--gpu_ids 0,2 --model=srgan": {"gpu_ids": "0,2", "model": "srgan", "lambda_L1": 1000.0},
}


@pytest.mark.parametrize("words", SEEDS_COMMANDS)
def test_published_commands_resolve_to_the_documented_options(words: str) -> None:
    options = to_mapping(parse_model_command(TrainCommand(), words.split(), "train.py"))
    for name, value in SEEDS_COMMANDS[words].items():
        assert options[name] == value, name


@pytest.mark.parametrize("model", MODEL_DEFAULTS)
def test_a_models_defaults_are_those_of_the_table_and_the_user_overrides_them(model: str) -> None:
    command = parse_model_command(TrainCommand(), ["--model", model], "train.py")
    options = {option: value for option, value in MODEL_DEFAULTS[model].items() if option in to_mapping(command)}
    assert to_mapping(command).items() >= options.items()
    assert parse_model_command(TrainCommand(), ["--model", model, "--ngf", "7"], "train.py").model.ngf == 7


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_set_of_options_that_the_user_overrides(recipe: str) -> None:
    command = parse_model_command(TrainCommand(), ["--recipe", recipe], "train.py")
    assert to_mapping(command).items() >= RECIPES[recipe].items()
    words = ["--recipe", recipe, "--ngf", "7", "--model", "srcnn", "--all_orientations", "False"]
    changed = parse_model_command(TrainCommand(), words, "train.py")
    assert (changed.model.ngf, changed.model.model, changed.sampling.all_orientations) == (7, "srcnn", False)


def test_an_unknown_recipe_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        UsageError, match="--recipe translat: expected one of none, translate, texture; did you mean translate"
    ):
        parse_model_command(TrainCommand(), ["--recipe", "translat"], "train.py")


def test_a_flag_that_is_on_by_default_can_still_be_passed() -> None:
    command = parse_model_command(TrainCommand(), ["--model", "srcnn", "--no_dropout"], "train.py")
    assert command.model.no_dropout


def test_saved_options_are_defaults_but_the_runs_place_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = "--name run --model srgan --ngf 8 --patch_size 64 --gpu_ids -1 --no_dropout"
    trained = parse_model_command(TrainCommand(), words.split(), "train.py")
    paths = RunPaths.of("elsewhere", Path("checkpoints"), Path("results"))
    write_options(paths.options, to_mapping(trained))
    command = parse_model_command(TestCommand(), ["--name", "elsewhere", "--num_test", "5"], "test.py")
    assert command.model == trained.model
    assert command.data.patch_size == 64
    assert command.data.num_test == 5
    assert command.run.name == "elsewhere"
    assert command.run.gpu_ids == "auto"


def test_the_suffix_is_filled_with_options() -> None:
    command = parse_model_command(
        TrainCommand(), ["--name", "run", "--suffix", "{model}_{netG}_{lr}", "--model", "srgan"], "train.py"
    )
    assert run_name(command) == "run_srgan_sr_resnet_9blocks_0.0002"


def test_parse_knows_no_model() -> None:
    assert parse(PhantomCommand(), ["--size", "256"], "phantom").phantom.size == 256
