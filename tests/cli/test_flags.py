"""Every flag of every command, one by one, with what it does.

`cli.flags` has a row for each; a flag of a command without a row, or a row without one, fails.
"""

from __future__ import annotations

from importlib import import_module

import pytest

from cli.calls import Program, TrainOnce
from cli.flags.table import ROWS, Bench, Row
from txm2sem.options import COMMANDS, fields_of
from txm2sem.resolving import CONFIG

for _rows in (
    "machine",
    "network",
    "data",
    "learning",
    "testing",
    "applying",
    "aligning",
    "measuring",
    "pages",
    "exporting",
    "sweeping",
):
    import_module(f"cli.flags.{_rows}")

DOCUMENTED = set(
    """
    dataroot name gpu_ids checkpoints_dir downsample_factor model input_nc output_nc ngf ndf netD netG n_layers_D norm
    init_type init_gain no_dropout dataset_mode direction serial_batches num_threads batch_size load_size crop_size
    full_slice max_dataset_size preprocess no_flip display_winsize epoch load_iter verbose suffix display_freq
    display_ncols display_id display_server display_env display_port update_html_freq print_freq no_html
    save_latest_freq save_epoch_freq save_by_iter continue_train epoch_count phase niter niter_decay beta1 lr gan_mode
    pool_size lr_policy lr_decay_iters weight_decay ntest results_dir aspect_ratio eval num_test lambda_regression
    regression_loss lambda_img_grad lambda_L1 lambda_gp d_condition aligned eval_mode patch_size txm_dir sem_dir
    charge_dir lowdens_dir highdens_dir num_train save_name x_ind y_ind sample_name z_ind save_txm gamma hist_eq
    x_misalign y_misalign seg_mode sem_only
    """.split()  # noqa: SIM905 (a list of a hundred quoted words is not easier to read)
)
"""The flags of the specification, in its order."""


@pytest.fixture
def bench(program: Program, train_once: TrainOnce) -> Bench:
    return Bench(program, train_once)


CHECKS: dict[tuple[str, Row], list[str]] = {}
for (_command, _flag), _row in ROWS.items():
    CHECKS.setdefault((_command, _row), []).append(_flag)


@pytest.mark.parametrize(
    ("command", "row"),
    [
        pytest.param(*key, id=f"{key[0]}-{'-'.join(flags)}", marks=pytest.mark.openvino if "backend" in flags else ())
        for key, flags in CHECKS.items()
    ],
)
def test_the_flag_does_what_it_says(command: str, row: Row, bench: Bench) -> None:
    row(bench, command)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_a_command_has_a_row(command: str) -> None:
    offered = {option.name for _, option, _ in fields_of(COMMANDS[command])} | {CONFIG}
    assert {flag for name, flag in ROWS if name == command} == offered


def test_every_documented_flag_is_there() -> None:
    offered = {option.name for name in ("train", "test") for _, option, _ in fields_of(COMMANDS[name])}
    assert offered >= DOCUMENTED
