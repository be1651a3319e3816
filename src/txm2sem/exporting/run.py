"""The story of an export: what is asked, opened, computed, described, checked and written."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image as Picture

from txm2sem import __version__
from txm2sem.archives import CONTENTS, FORMAT, LABEL, PROGRAM, Archived, Contents
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.exporting.bioimage import (
    COVER,
    DESCRIPTION,
    GRAPH,
    README,
    TEST_INPUT,
    TEST_OUTPUT,
    check_description,
    check_said,
    description,
    import_bioimageio,
)
from txm2sem.exporting.card import model_card
from txm2sem.exporting.graph import import_onnx, write_graph
from txm2sem.exporting.sample import ShownImage
from txm2sem.exporting.subject import Exported
from txm2sem.files import interpreting, json_text, read_json
from txm2sem.options import TRANSLATION_MODELS, ExportCommand, PlaceOptions, is_model_file
from txm2sem.runs import RunPaths, read_options

MOMENT = (1980, 1, 1, 0, 0, 0)
"""The date of files in an archive, so that the same model gives the same archive."""


@dataclass(frozen=True)
class ExportReport:
    """What was exported.

    Attributes:
        output: the file.
        lines: what is in it and what one must know of it, for people.
    """

    output: Path
    lines: list[str]


def export_model(command: ExportCommand, name: str, output: Path) -> ExportReport:
    """Write a trained model as one file, whole or not at all.

    Args:
        command: the options.
        name: of the run; without one, the model that comes along.
        output: a name that ends with `.zip` (BioImage.IO), or `.onnx`.

    Raises:
        UserError: there is no such model, no format has words for it, something is not said of it, or the file is
            there; nothing is written then.
    """
    is_archive, suffix = is_model_file(output.name), output.suffix.lower()
    if not is_archive and suffix != ".onnx":
        raise UserError(
            f"{output}: expected a name that ends with .zip (for this program and BioImage.IO) or .onnx (the network "
            "alone); name it such as model.zip"
        )
    golden = [] if is_archive else [output.with_suffix(".npz")]
    draft = Draft(output, "export", golden, resumable=False)
    draft.look({})
    import_onnx()
    if is_archive:
        import_bioimageio()
        check_said(command.export)
    subject = Exported.of(command, name)
    sample = ShownImage.of(subject)
    lines = [
        f"model:   {subject.model.name}",
        f"images:  multiples of {subject.chain.multiple} pixels, halo {subject.chain.receptive_field}; shown with "
        f"{sample.origin}",
    ]
    with draft.begin({}):
        result = draft.folder / output.name
        if is_archive:
            notes = _write_archive(subject, sample, command, result, output.name)
            draft.finish(result)
        else:
            write_graph(subject, sample, result, takes_grey=True)
            example = draft.folder / golden[0].name
            np.savez_compressed(example, input=sample.seen[None], output=sample.shown[None])
            notes = subject.notes
            draft.finish(result, {example: golden[0]})
            lines.append(f"example: {golden[0]}: input and output, as other programs must find it")
    return ExportReport(output, [*lines, *(f"note:    {note}" for note in notes)])


def _write_archive(subject: Exported, sample: ShownImage, command: ExportCommand, result: Path, name: str) -> list[str]:
    """Write a model of BioImage.IO that this program reads, too, and return what one must know of it."""
    folder = result.with_name("content")
    folder.mkdir()
    notes = subject.notes
    trained = _handed_on(subject.paths)
    archived = dict(_of_run(subject.paths, subject.model.label, folder, notes))
    if subject.first_stage is not None:
        archived |= dict(_of_run(subject.first_stage, LABEL, folder, notes, prefix="first_stage_"))
    contents = Contents(PROGRAM, FORMAT, __version__, subject.paths.name, archived)
    picture = io.BytesIO()
    Picture.fromarray(sample.cover(subject)).save(picture, format="PNG")
    written = {
        CONTENTS: json_text(asdict(contents)).encode(),
        README: model_card(subject, sample, trained, name, notes).encode(),
        COVER: picture.getvalue(),
        TEST_INPUT: _array(sample.seen[None]),
        TEST_OUTPUT: _array(sample.shown[None]),
    }
    write_graph(subject, sample, folder / GRAPH, takes_grey=subject.takes_grey)
    for file, content in written.items():
        (folder / file).write_bytes(content)
    sums = {path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    described = description(subject, command.export, sums, sample.origin)
    check_description(described, folder)
    text = yaml.safe_dump(described, sort_keys=False, allow_unicode=True)
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(path.name, MOMENT), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return notes


def _of_run(
    paths: RunPaths, label: str, folder: Path, notes: list[str], prefix: str = ""
) -> Iterator[tuple[str, Archived]]:
    """Copy the files of a run that this program needs to apply it; yield each, by its name in the archive."""
    options = _handed_on(paths)
    content: dict[str, bytes] = {"options.yaml": yaml.safe_dump(options, sort_keys=False).encode()}
    kept = {path: path.name for path in (paths.txm_contrast, paths.txm_noise)}
    kept |= {path: LABEL + path.name.removeprefix(label) for path in _of_checkpoint(paths, label, notes)}
    content |= {name: path.read_bytes() for path, name in kept.items() if path.exists()}
    if options.get("model") in TRANSLATION_MODELS and not paths.txm_contrast.exists() and not prefix:
        notes.append(
            f"the contrast of the training TXM, for --grey match, is not known: translate an image with --name "
            f"{paths.name} --grey match beside the training images, then export again"
        )
    for name, found in content.items():
        (folder / f"{prefix}{name}").write_bytes(found)
        yield f"{prefix}{name}", Archived(paths.name, name, sha256(found).hexdigest())


def _of_checkpoint(paths: RunPaths, label: str, notes: list[str]) -> Iterator[Path]:
    """Yield the weights of a checkpoint, and what is known of them."""
    yield from (paths.network(label, "G"), paths.calibration(label))
    yield from sorted(paths.checkpoints.glob(paths.phases(label, "*").name))
    trust = paths.trust(label)
    if trust.exists():
        remedy = "remove it, and it is found anew"
        with interpreting(trust, "what is known of predictions", remedy):
            count = len(read_json(trust, remedy)["identity"]["checkpoints_sha256"])
        if count == 1:
            yield trust
        else:
            notes.append(f"{trust.name} is of {count} checkpoints together, and is left out")


def _handed_on(paths: RunPaths) -> dict[str, Any]:
    """Return the options of a training without the folders of this machine."""
    options = read_options(paths.options)
    usual = PlaceOptions()
    places = {
        "dataroot": Path(options.get("dataroot", "")).name,
        "checkpoints_dir": str(usual.checkpoints_dir),
        "results_dir": str(usual.results_dir),
    }
    return options | {name: place for name, place in places.items() if name in options}


def _array(values: NDArray[np.float32]) -> bytes:
    """Return an array as a file of numpy."""
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()
