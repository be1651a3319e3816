"""Options: every field is a flag, and defaults come from the model, the saved run and the user, in that order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cli.calls import Program, options_of
from txm2sem.cli.parsing import UsageError, read_words
from txm2sem.options import (
    COMMANDS,
    MODEL_DEFAULTS,
    RECIPES,
    PhantomCommand,
    ReportCommand,
    TestCommand,
    TrainCommand,
    VolumeCommand,
    fields_of,
    override,
    run_name,
    to_mapping,
)
from txm2sem.resolving import with_defaults
from txm2sem.runs import RunPaths, write_options


@pytest.mark.parametrize("name", COMMANDS)
def test_options_travel_as_a_flat_mapping_because_their_names_are_unique(name: str) -> None:
    command = COMMANDS[name]
    names = [option.name for _, option, _ in fields_of(command)]
    assert len(names) == len(set(names))
    assert override(command, to_mapping(command)) == command


def entries(help_text: str) -> dict[str, str]:
    """Return what a help says of each option, by name."""
    found = re.findall(r"^  --(\w+)(.*?)(?=^  --|^\S|\Z)", help_text, re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()) for name, text in found}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_begins_with_what_most_people_need_and_help_all_has_everything(program: Program, name: str) -> None:
    command = COMMANDS[name]
    every = [option.name for _, option, _ in fields_of(command)]
    short, whole, hyphens = (program(f"{name} --{word}") for word in ("help", "help_all", "help-all"))
    assert (short.status, whole.status) == (0, 0)
    assert hyphens.out == whole.out
    assert list(entries(whole.out)) == every
    assert list(entries(short.out)) == list(command.first or every)
    assert f"usage: txm2sem {name} {command.places}" in short.out
    assert max(map(len, whole.out.splitlines())) <= 120


def test_help_says_the_defaults_that_hold(program: Program) -> None:
    defaults = with_defaults(TrainCommand(), {"model": "srgan"})
    said = entries(program("train --help_all --model srgan").out)
    for _, option, value in fields_of(defaults):
        assert said[option.name].endswith(f"(default: {value})") or value == "", option.name
    assert said["aligned"].endswith("(default: True)")
    assert said["netG"].endswith("(default: sr_resnet_9blocks)")


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
    options = to_mapping(options_of(TrainCommand(), words.split()))
    for name, value in SEEDS_COMMANDS[words].items():
        assert options[name] == value, name


@pytest.mark.parametrize("model", MODEL_DEFAULTS)
def test_a_models_defaults_are_those_of_the_table_and_the_user_overrides_them(model: str) -> None:
    command = options_of(TrainCommand(), ["--model", model])
    options = {option: value for option, value in MODEL_DEFAULTS[model].items() if option in to_mapping(command)}
    assert to_mapping(command).items() >= options.items()
    assert options_of(TrainCommand(), ["--model", model, "--ngf", "7"]).model.ngf == 7


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_set_of_options_that_the_user_overrides(recipe: str) -> None:
    command = options_of(TrainCommand(), ["--recipe", recipe])
    assert to_mapping(command).items() >= RECIPES[recipe].items()
    words = ["--recipe", recipe, "--ngf", "7", "--model", "srcnn", "--all_orientations", "False"]
    changed = options_of(TrainCommand(), words)
    assert (changed.model.ngf, changed.model.model, changed.sampling.all_orientations) == (7, "srcnn", False)


def test_an_unknown_recipe_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        UsageError,
        match="--recipe translat: expected one of none, translate, texture, sample, phases; did you mean translate",
    ):
        options_of(TrainCommand(), ["--recipe", "translat"])


def test_a_flag_that_is_on_by_default_can_still_be_passed() -> None:
    command = options_of(TrainCommand(), ["--model", "srcnn", "--no_dropout"])
    assert command.model.no_dropout


def test_saved_options_are_defaults_but_the_runs_place_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = "--name run --model srgan --ngf 8 --patch_size 64 --gpu_ids -1 --no_dropout"
    trained = options_of(TrainCommand(), words.split())
    paths = RunPaths.of("elsewhere", Path("checkpoints"), Path("results"))
    write_options(paths.options, to_mapping(trained))
    command = options_of(TestCommand(), ["--name", "elsewhere", "--num_test", "5"])
    assert to_mapping(trained).items() >= vars(command.model).items()
    assert command.data.patch_size == 64
    assert command.data.num_test == 5
    assert command.run.name == "elsewhere"
    assert command.run.gpu_ids == "auto"


def test_the_suffix_is_filled_with_options() -> None:
    command = options_of(TrainCommand(), ["--name", "run", "--suffix", "{model}_{netG}_{lr}", "--model", "srgan"])
    assert run_name(command) == "run_srgan_sr_resnet_9blocks_0.0002"


@pytest.mark.parametrize(
    ("words", "places", "given"),
    [
        ("a --patch-size 64 b", ["a", "b"], {"patch_size": 64}),
        ("--patch-size=64 --no-flip a", ["a"], {"patch_size": 64, "no_flip": True}),
        ("--no_flip False a --aligned False", ["a"], {"no_flip": False, "aligned": False}),
        ("--x_misalign -3 --txm_range -5,200", [], {"x_misalign": -3, "txm_range": "-5,200"}),
        ("--patch_size 32 --patch-size 64", [], {"patch_size": 64}),
        ("--dataset segmentation", [], {"dataset_mode": "segmentation"}),
        ("--suffix= --lr 1", [], {"suffix": "", "lr": 1.0}),
    ],
)
def test_options_stand_anywhere_with_hyphens_or_underscores(
    words: str, places: list[str], given: dict[str, Any]
) -> None:
    said = read_words(TrainCommand(), words.split())
    assert (said.places, said.given, said.help) == (places, given, "")


@pytest.mark.parametrize(
    ("words", "places", "volumes"),
    [
        ("run --volume a b", ["run"], ["a", "b"]),
        ("--volume a b run", ["run"], ["a", "b"]),
        ("--volume a b --output x.html run", ["run"], ["a", "b"]),
        ("--volume a --volume b run", ["run"], ["a", "b"]),
        ("run --volume a", ["run"], ["a"]),
        ("--volume a", [], ["a"]),
    ],
)
def test_an_option_of_several_words_leaves_the_place(words: str, places: list[str], volumes: list[str]) -> None:
    said = read_words(ReportCommand(), words.split())
    assert said.places == places
    assert said.given["volume"] == tuple(map(Path, volumes))


def test_a_command_that_has_the_option_takes_no_alias_for_it() -> None:
    assert read_words(VolumeCommand(), ["--dataset", "/entry/data"]).given == {"dataset": "/entry/data"}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--patch_sise 64", "did you mean --patch_size?"),
        ("--ngf", "--ngf: expected a value"),
        ("--ngf --ndf 4", "--ngf: expected a value"),
        ("--ngf four", "--ngf four: expected a whole number"),
        ("--norm batsh", "did you mean batch?"),
        ("--aligned=maybe", "--aligned maybe: expected True or False"),
        ("-ngf 4", "as in --ngf"),
        ("--voxel_size 32", "--voxel_size does nothing in txm2sem train; it belongs to txm2sem volume"),
        ("images", "found images"),
    ],
)
def test_words_that_are_not_understood_are_refused_with_what_is_near(program: Program, words: str, named: str) -> None:
    outcome = program(f"train {words}")
    assert outcome.status == 2
    assert named in " ".join(outcome.err.split())


def test_what_is_given_is_given_with_hyphens_too(program: Program) -> None:
    assert options_of(TrainCommand(), ["--context-slices", "1", "--input-nc", "1"]).model.input_nc == 1
    assert "does nothing with --model pix2pix" in program("train --class-weights 1,1,1").err


def test_parse_knows_no_model() -> None:
    assert options_of(PhantomCommand(), ["--size", "256"]).phantom.size == 256
