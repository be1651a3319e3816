"""A model as BioImage.IO describes it, version 0.5 (https://github.com/bioimage-io/spec-bioimage-io)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import torch

from txm2sem import __version__
from txm2sem.archives import CONTENTS, LABEL, PROGRAM
from txm2sem.errors import UserError, extra, listed, nearest
from txm2sem.exporting.graph import INPUT, OPSET, OUTPUT
from txm2sem.exporting.subject import Exported, ExportedChannel
from txm2sem.options import ExportOptions

DESCRIPTION = "bioimageio.yaml"

VERSION = "0.5.12"
"""Of the format; later ones read it."""

GRAPH, README, COVER = "weights.onnx", "README.md", "cover.png"
CHECKPOINT = f"{LABEL}_net_G.pth"
TEST_INPUT, TEST_OUTPUT = "test_input.npy", "test_output.npy"

PAPER = "T. I. Anderson et al. (2021), Scientific Reports: FIB-SEM images predicted from TXM by generative networks"
PAPER_DOI = "10.1038/s41598-021-00080-5"
"""What everyone cites whose model was made with this program: the work that it goes back to."""

DOI = re.compile(r"10\.\d{4,9}/\S+")

NETWORK = {"import_from": "txm2sem.exporting.network", "callable": "ExportedNetwork"}
"""Where the architecture is: in this program. Source code in an archive would have to be executed."""


def check_said(said: ExportOptions) -> None:
    """Check what the user says of a model, before any work for it.

    Raises:
        UserError: authors or licence are missing, or something is not as the format has it.
    """
    if not _authors(said):
        raise UserError(
            "--author is missing: a model that is handed on says who has made it; pass their names, separated by "
            'semicolons, as in --author "Your Name; A Colleague"'
        )
    if odd := next((name for name in _authors(said) if set(name) & set("/\\")), ""):
        raise UserError(f"--author {odd}: expected names without / and \\; write them another way")
    if not said.license:
        raise UserError(
            "--license is missing: without one nobody may use the model; choose it together with its authors, such as "
            "--license CC-BY-4.0, or --license MIT"
        )
    _license(said)
    if said.citation and not DOI.search(said.citation):
        raise UserError(f"--citation {said.citation[:100]}: expected a text that ends with a DOI, such as {PAPER_DOI}")


def description(subject: Exported, said: ExportOptions, files: Mapping[str, str], origin: str) -> dict[str, Any]:
    """Return the description of a model.

    Args:
        subject: the model.
        said: what the user says of it.
        files: SHA-256 of each file of the archive, by name.
        origin: of the image that it is shown with.
    """

    def of(name: str) -> dict[str, str]:
        return {"source": name, "sha256": files[name]}

    described = {README, COVER, GRAPH, TEST_INPUT, TEST_OUTPUT}
    described |= set() if subject.first_stage else {CHECKPOINT}
    name = re.sub(r"[^A-Za-z0-9_+\- ()]", "-", subject.paths.name)[:100]
    return {
        "type": "model",
        "format_version": VERSION,
        "name": f"{name} (txm2sem {subject.model.options.model})",
        "description": _does(subject),
        "authors": [{"name": author} for author in _authors(said)],
        "license": _license(said),
        "cite": [{"text": PAPER, "doi": PAPER_DOI}, *_citation(said)],
        "tags": ["txm2sem", "x-ray-microscopy", "electron-microscopy", "fib-sem", "2d", "shale", "pytorch"],
        "documentation": of(README),
        "covers": [of(COVER)],
        "attachments": [of(name) for name in files if name not in described],
        "inputs": [_input(subject) | {"test_tensor": of(TEST_INPUT)}],
        "outputs": [_output(subject) | {"test_tensor": of(TEST_OUTPUT)}],
        "weights": _weights(subject, of),
        "config": {PROGRAM: {"version": __version__, "contents": CONTENTS, "test_image": origin}},
    }


def check_description(content: Mapping[str, Any], folder: Path) -> None:
    """Check that files in a folder are a model as the format has it; nothing is looked up in the network.

    Raises:
        UserError: they are not.
    """
    from bioimageio.spec import ValidationContext, validate_format

    summary = validate_format(dict(content), context=ValidationContext(root=folder, log_warnings=False))
    if summary.status == "failed":
        errors = [
            f"{'.'.join(map(str, error.loc))}: {error.msg}" for detail in summary.details for error in detail.errors
        ]
        raise UserError(f"the model does not fit the format of BioImage.IO: {listed(errors, 3)}"[:1000])


def import_bioimageio() -> None:
    """Check that what knows the format is there.

    Raises:
        UserError: it is not installed.
    """
    try:
        import bioimageio.spec  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"to export a model as .zip needs bioimageio.spec, which cannot be imported ({error}); {extra('export')}"
        ) from None


def _authors(said: ExportOptions) -> list[str]:
    return [name.strip() for name in said.author.split(";") if name.strip()]


def _license(said: ExportOptions) -> str:
    """Return the licence as SPDX spells it."""
    from bioimageio.spec.model.v0_5 import LicenseId

    known: dict[str, str] = {
        name.lower(): name for name in get_args(LicenseId.root_model.model_fields["root"].annotation)
    }
    if said.license.lower() not in known:
        raise UserError(
            f"--license {said.license}: expected an identifier of SPDX, such as CC-BY-4.0, MIT or CC0-1.0"
            f"{nearest(said.license.lower(), list(known))}"
        )
    return known[said.license.lower()]


def _citation(said: ExportOptions) -> list[dict[str, str]]:
    found = DOI.findall(said.citation)
    return [{"text": said.citation, "doi": found[-1].rstrip(".,;)")}] if found else []


def _does(subject: Exported) -> str:
    seen = (
        "charged FIB-SEM images"
        if subject.model.options.model == "repair"
        else f"{subject.model.source.upper()} images"
    )
    does = {"repair": "Repairs", "segmentation": "Finds the phases of a rock in"}.get(subject.model.options.model)
    return f"{does} {seen}" if does else f"Predicts the FIB-SEM image of a rock from its {subject.model.source.upper()}"


def _axes(channels: Sequence[ExportedChannel]) -> list[dict[str, Any]]:
    return [{"type": "batch"}, {"type": "channel", "channel_names": [one.name for one in channels]}]


def _input(subject: Exported) -> dict[str, Any]:
    size = {"min": subject.smallest, "step": subject.chain.multiple}
    scaled = [] if subject.takes_grey else [_scaling([_to_network(one) for one in subject.seen])]
    return {
        "id": INPUT,
        "axes": [*_axes(subject.seen), *({"type": "space", "id": axis, "size": {**size}} for axis in "yx")],
        "data": {"type": "float32"},
        "preprocessing": [{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}, *scaled],
    }


def _output(subject: Exported) -> dict[str, Any]:
    size = {"tensor_id": INPUT}
    halo = subject.chain.receptive_field
    greys = [one.grey for one in subject.shown if one.grey is not None and not subject.takes_grey]
    scaled = [_scaling([((grey.high - grey.low) / 2, (grey.high + grey.low) / 2) for grey in greys])] if greys else []
    space = ({"type": "space", "id": axis, "size": {**size, "axis_id": axis}, "halo": halo} for axis in "yx")
    return {
        "id": OUTPUT,
        "axes": [*_axes(subject.shown), *space],
        "data": {"type": "float32"},
        "postprocessing": [*scaled, {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}],
    }


def _to_network(channel: ExportedChannel) -> tuple[float, float]:
    """Return gain and offset that make black -1 and white 1."""
    low, high = channel.range
    return 2 / (high - low), -(high + low) / (high - low)


def _scaling(lines: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return a step that multiplies each channel by a gain and adds an offset."""
    gains, offsets = ([float(number) for number in numbers] for numbers in zip(*lines, strict=True))
    alike = len(set(lines)) == 1
    kwargs = (
        {"gain": gains[0], "offset": offsets[0]} if alike else {"axis": "channel", "gain": gains, "offset": offsets}
    )
    return {"id": "scale_linear", "kwargs": kwargs}


def _weights(subject: Exported, of: Callable[[str], dict[str, str]]) -> dict[str, Any]:
    """Return the graph, and what can be trained on, the checkpoint itself, where one network is all of the model."""
    graph = {**of(GRAPH), "opset_version": OPSET}
    if subject.first_stage is not None:
        return {"onnx": graph}
    settings = {**subject.settings, **(subject.ranges if subject.takes_grey else {})}
    state = {
        **of(CHECKPOINT),
        "architecture": {**NETWORK, "kwargs": json.loads(json.dumps(settings))},
        "pytorch_version": torch.__version__.split("+")[0],
        "comment": f"the network is that of the program txm2sem {__version__}, which must be installed",
    }
    return {"pytorch_state_dict": state, "onnx": {**graph, "parent": "pytorch_state_dict"}}
