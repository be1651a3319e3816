"""What was trained on what, and the commands that do it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from txm2sem.commands import test_command, train_command
from txm2sem.data.slices import AlignedSlices, has_split, split_folder
from txm2sem.errors import UserError, listed
from txm2sem.options import Phase, TrainCommand, override
from txm2sem.origin import Origin, changed, checksums, digest
from txm2sem.pages import Html, changed_options, fragment
from txm2sem.reporting.record import RunRecord, TestRecord


def about_html(record: RunRecord) -> Html:
    """Return what a run is, as facts and as tables of options."""
    options = record.options
    return fragment("run.html", "about", what=run_facts(record), options=options, changed=changed_options(options))


def run_facts(record: RunRecord) -> dict[str, str]:
    """Return what a run is, by name; what nothing tells is left out."""
    found: dict[str, str] = {}
    options = record.options or (record.tested.options if record.tested else {})
    if record.model:
        found["model"] = record.model
    if "netG" in options:
        found["generator"] = f"{options['netG']}, {options.get('ngf')} filters" + _parameters(record.options)
    found |= _data(record)
    if record.epochs:
        batch = int(record.options.get("batch_size", 1))
        per_epoch = record.options.get("num_train")
        found["trained for"] = f"{record.epochs:.4g} epochs" + (
            f" of {per_epoch} patches, {batch} in a step" if per_epoch else ""
        )
    if record.trained_at:
        found["networks saved"] = f"{record.trained_at:%Y-%m-%d %H:%M}"
    if record.tested:
        found["tested"] = _tested(record.tested)
    found["folders"] = f"{record.paths.checkpoints}, {record.paths.results}"
    return found


def commands_html(record: RunRecord, prefix: str = "") -> Html:
    """Return the commands that train and test the run again, to be copied; `prefix` begins their titles."""
    commands: dict[str, str] = {}
    if record.options:
        commands["Train"] = train_command(record.options)
    if record.tested and record.tested.options:
        commands["Test"] = test_command(record.tested.options, record.options)
    for volume in record.volumes:
        if volume.options:
            commands[f"Test on a cube: {volume.name}"] = test_command(volume.options, record.options)
    titled = {f"{prefix}{title}": command for title, command in commands.items()}
    return fragment("parts.html", "commands", titled=titled, room=_room(record))


def _room(record: RunRecord) -> str:
    """Return what a time budget had room for, in words; nothing where there was none."""
    budget, patches, batch = (float(record.options.get(name, 0)) for name in ("time_budget", "num_train", "batch_size"))
    if not budget:
        return ""
    steps = f"about {record.epochs * patches / batch:,.0f} steps" if batch and record.epochs else "as many steps as fit"
    return f"its time budget of {budget:g} minutes had room for {steps} on this machine"


def origin_html(record: RunRecord) -> Html:
    """Return what the training was made with, as facts; nothing where that is not known."""
    facts = origin_facts(record)
    return fragment("parts.html", "facts", caption="What it was made with", values=facts) if facts else Html()


def origin_facts(record: RunRecord) -> dict[str, str]:
    """Return what the training was made with, by name; what nothing tells is left out.

    Raises:
        UserError: the data cannot be read any more.
    """
    origin = record.origin
    if origin is None or not origin.sessions:
        return {}
    versions = dict.fromkeys(", ".join(" ".join(pair) for pair in one.versions.items()) for one in origin.sessions)
    known = sum(one.seconds for one in origin.sessions)
    cut_off = sum(not one.seconds for one in origin.sessions)
    sittings = f" in {len(origin.sessions)} sittings" if len(origin.sessions) > 1 else ""
    return {
        "versions": "; ".join(versions),
        "machine": "; ".join(dict.fromkeys(one.machine for one in origin.sessions)),
        "began": origin.sessions[0].began,
        "took": f"{known / 60:.1f} minutes{sittings}" + (f", and {cut_off} that was cut off" if cut_off else ""),
        "data": f"{len(origin.files)} files of training and validation, SHA-256 {digest(origin.files)}: that of the "
        "lines which sha256sum prints for them, sorted by name",
        "data now": _data_now(record, origin),
    }


def _data_now(record: RunRecord, origin: Origin) -> str:
    """Say whether the data are those that the training had."""
    resumed = "" if len({one.data for one in origin.sessions}) == 1 else "changed between the sittings; "
    command = override(TrainCommand(), record.options)
    root = command.run.dataroot
    if not root.is_dir():
        return f"{resumed}{root} is not there now"
    splits = [AlignedSlices.open(root, phase, command.data) for phase in (command.sampling.phase, "val")]
    different = changed(origin.files, checksums(root, splits))
    return resumed + (f"changed since: {listed(different)}" if different else "the same as in the training")


def _parameters(options: dict[str, Any]) -> str:
    """Return the number of a generator's parameters in words; nothing where the options name no generator."""
    if not options:
        return ""
    import torch

    from txm2sem.networks import build_generator

    try:
        with torch.device("meta"):
            network = build_generator(override(TrainCommand(), options).model)
    except UserError:
        return ""
    count = sum(parameter.numel() for parameter in network.parameters())
    return f", {count / 1e6:.3g} million parameters" if count >= 1e5 else f", {count:,} parameters"


def _data(record: RunRecord) -> dict[str, str]:
    if "dataroot" not in record.options:
        return {}
    root = Path(record.options["dataroot"])
    data = override(TrainCommand(), record.options).data
    counts = []
    for phase in get_args(Phase):
        if root.is_dir() and has_split(root, phase):
            folder = split_folder(root, phase) / f"{data.txm_dir}{data.sample_name}"
            counts.append(f"{sum(1 for _ in folder.glob('*.tif*'))} {phase}")
    slices = f": {', '.join(counts)} slices (as the folder is now)" if counts else " (not there now)"
    return {"data": f"{root}{slices}", "patches": f"{data.patch_size} × {data.patch_size} pixels"}


def _tested(tested: TestRecord) -> str:
    scores, what = tested.scores, "slices" if tested.suffix else "patches"
    where = f" of split {scores['split']}, epoch {scores['epoch']}" if scores else ""
    how = "frozen statistics (--eval)" if tested.options.get("eval") else "statistics of each patch, dropout on"
    return f"{tested.count} {what}{where}, {how if tested.options else 'how is not known'}"
