"""The calls from Python: what the commands do, with arrays and with files. `import txm2sem` offers all of them.

They take the options of the commands by name, with the same limits and the same messages. What goes wrong is a
`txm2sem.errors.UserError`, which says what was expected, what was found, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from txm2sem.addresses import Place, place_of
from txm2sem.arrays import grey_array, mask_array, plain_array
from txm2sem.checking import CheckReport, check_data_root
from txm2sem.data.grey import measured_windows
from txm2sem.data.pixels import GREY_DTYPES, to_dtype
from txm2sem.data.readers import VolumeInput, VolumeReader, parse_voxel_size
from txm2sem.data.readers import open_volume as open_reader
from txm2sem.errors import UserError
from txm2sem.files import read_json
from txm2sem.filling import krige
from txm2sem.model.segmenter import load_applied
from txm2sem.options import (
    CheckCommand,
    Command,
    CompareCommand,
    ExportCommand,
    MeasureCommand,
    PageFigureKind,
    PhantomCommand,
    SweepCommand,
    TestCommand,
    TrainCommand,
    TranslateCommand,
    VolumeCommand,
    is_model_file,
    override,
    to_mapping,
)
from txm2sem.phantoms import Phantom, render_phantom
from txm2sem.registration import align_pair
from txm2sem.resolving import of_model_file, of_shipped_model, resolve
from txm2sem.runs import RunPaths, label_of

Array = NDArray[Any]

align = align_pair
"""Lays a SEM image upon a TXM image of the same place."""


@dataclass(frozen=True)
class Trusted:
    """A prediction, and where not to believe it; float32, each of the TXM's shape.

    Attributes:
        sem: predicted grey values of the SEM.
        uncertainty: calibrated standard deviation of that, in the same grey values.
        contradiction: size of the guard's score [standard deviations]: where the TXM contradicts the prediction.
        novelty: distance of the tile from those of training [thresholds]: above 1 it is unlike them.
    """

    sem: Array
    uncertainty: Array
    contradiction: Array
    novelty: Array


class TrainedModel:
    """A trained model that translates TXM to SEM, or segments one of them. It is read once, however often it is used.

    Args:
        given: the options that name it, and the machine that computes it.
        backend: what computes.

    Attributes:
        name: of its run.
        segments: it gives the number of a class, not the SEM's grey values.
        samples: it draws images that fit the TXM, see `draws`; its prediction is one of them.
        notes: what the user must know of how it computes.
    """

    def __init__(self, given: dict[str, Any], backend: str) -> None:
        self._given = given
        self._computed = _changed(VolumeCommand(), {"backend": backend})
        command = resolve(VolumeCommand(), {**given, **self._computed})
        label = label_of(command.volume.epoch, command.volume.load_iter)
        self._model = load_applied(command, label, command.volume.backend)
        self.name = self._model.paths.name
        self.segments = self._model.segments
        self.samples = self._model.options.draws_noise
        self.notes = list(self._model.notes)

    def predict(
        self, txm: ArrayLike, *, dtype: str = "uint8", grey: str = "auto", memory: str = "auto", **options: Any
    ) -> Array:
        """Return the SEM that a TXM image or volume would give, or its classes, where the model segments.

        Args:
            txm: (rows, columns) or (z, y, x), 8 or 16 bits or float: grey values as the model was trained with, unless
                `grey` says something else; 0 is what was not imaged. The SEM for a model that segments that.
            dtype: `uint8` or `uint16` with the SEM's range from black to white, or `float32`: its grey values.
            grey: `as_is`; `match`: the contrast of the TXM is brought to that of the training; `auto`: `match` for the
                model that comes along, `as_is` for yours.
            memory: to use in all, e.g. `8GB`; `auto`: a quarter of the machine's.
            options: further ones of `txm2sem volume`, such as `z_blend=True` or `statistics="volume"`.

        Returns:
            The predicted SEM, of the TXM's shape. Or, where the model segments, the number of the class of each pixel,
            uint8: 0 neither, 1 low density, 2 high density, 255 not imaged.

        Raises:
            UserError: the TXM is no such array or does not fit the model, or an option has no such value.
        """
        image, labels = self._translated(txm, grey, {"dtype": dtype, "memory": memory, **options})
        return labels if self.segments else image

    def probabilities(self, txm: ArrayLike, *, memory: str = "auto", **options: Any) -> Array:
        """Return how likely each class is, for a model that segments.

        Args:
            txm: as in `predict`.
            memory: as in `predict`.
            options: as in `predict`.

        Returns:
            float32 of the classes that `predict` names, in their order: (classes, rows, columns) or (classes, z, y, x).
            They add up to 1; all are 0 where nothing was imaged.

        Raises:
            UserError: as `predict`; or the model does not segment.
        """
        asked = {"memory": memory, "probabilities": True, **options}
        image, _ = self._translated(txm, "auto", asked, dtype="float32")
        return image[1:]

    def draws(self, txm: ArrayLike, count: int, *, grey: str = "auto", memory: str = "auto") -> Array:
        """Return several SEMs that a TXM image or volume could have given, for a model that draws samples.

        Args:
            txm: as in `predict`.
            count: how many, 2 or more; the same ones each time, and more of them begin with the same.
            grey: as in `predict`.
            memory: as in `predict`.

        Returns:
            float32 grey values of the SEM, (count, rows, columns) or (count, z, y, x).

        Raises:
            UserError: as `predict`; or the model draws nothing.
        """
        image, _ = self._translated(txm, grey, {"dtype": "float32", "memory": memory, "draws": count})
        return image[2:]

    def predict_with_trust(
        self, txm: ArrayLike, *, samples: int = 8, source: str = "auto", grey: str = "auto", memory: str = "auto"
    ) -> Trusted:
        """Return the SEM that a TXM image or volume would give, and where not to believe it.

        Args:
            txm: as in `predict`.
            samples: predictions that the standard deviation is taken from.
            source: `dropout`, `checkpoints` or `scale`; `auto`: the best that the model has.
            grey: as in `predict`.
            memory: as in `predict`.

        Raises:
            UserError: as `predict`; or the model has no such uncertainty, or the slices that it is calibrated on, once,
                are not there.
        """
        trust = {"uncertainty": samples, "uncertainty_from": source}
        image, _ = self._translated(txm, grey, {"dtype": "float32", "memory": memory, **trust})
        return Trusted(*image)

    def grey_match(self, txm: Any, grey: str = "auto") -> Callable[[Array], Array] | None:
        """Return what brings planes of a TXM to the grey values that the model was trained with; None: they have them.

        `predict` does so by itself; `predict_volume` takes a volume as it is.

        Args:
            txm: (z, y, x), with a shape, and NumPy arrays for its parts: little is read of it.
            grey: as in `predict`.

        Raises:
            UserError: its contrast cannot be measured, or its grey values are others.
        """
        from txm2sem.applying.images.contrast import contrast_match

        command = resolve(TranslateCommand(), {**self._given, **_changed(TranslateCommand(), {"grey": grey})})
        samples = [txm[window] for window in measured_windows(txm.shape[0], txm.shape[1:])]
        match = contrast_match(command, self._model, samples, "txm")
        return None if match is None else match.of

    def predict_volume(self, source: Path | str, output: Path | str, **options: Any) -> dict[str, Any]:
        """Translate a volume of any size from file to file, as `txm2sem volume`; the same call goes on after an end.

        Args:
            source: a file, a folder of TIFF slices, or a pattern; or the address of a Zarr, such as
                `s3://bucket/scan.ome.zarr`.
            output: what to write: a name that ends with `.ome.zarr`, `.ome.tif`, `.mha`, `.mhd` or `.nrrd`; or the
                address of an OME-Zarr.
            options: those of `txm2sem volume`, such as `voxel_size=32` [nm], `roi` or `uncertainty=8`.

        Returns:
            The report, as in the `.json` beside the output: where the result comes from, and its scores.

        Raises:
            UserError: as the command.
        """
        from txm2sem.applying.volume import VolumeRun
        from txm2sem.applying.volume.report import translate_volume

        asked = {name: str(value) if name == "voxel_size" else value for name, value in options.items()}
        command = resolve(VolumeCommand(), {**self._given, **self._computed, **asked})
        run = VolumeRun.of(command, source, output, self._model)
        with run.begin() as stage:
            if stage != "whole":
                translate_volume(run)
        return _document(run.paths.report(".json"))

    def _translated(
        self, txm: ArrayLike, grey: str, options: dict[str, Any], **internal: Any
    ) -> tuple[Array, NDArray[np.uint8]]:
        """Return what `translate_opened` does, of the TXM's shape; `internal` are options that users have not."""
        from txm2sem.applying.volume.driver import translate_opened
        from txm2sem.applying.volume.opening import OpenVolume

        array = plain_array(txm, "txm")
        axes = ("rows", "columns") if array.ndim == 2 else ("z", "y", "x")
        planes = grey_array(array, axes, "txm", GREY_DTYPES).reshape(-1, *array.shape[-2:])
        match = self.grey_match(planes, grey)
        if match is not None:
            planes = np.stack([match(plane) for plane in planes])
        given = {**self._given, **self._computed, **_changed(VolumeCommand(), options)}
        command = override(resolve(VolumeCommand(), given), internal)
        image, labels = translate_opened(OpenVolume(command, open_reader(planes), model=self._model))
        if array.ndim == 2:
            return image[..., 0, :, :], labels[0] if labels.size else labels
        return image, labels


@dataclass(frozen=True)
class Run:
    """A trained run.

    Attributes:
        name: of it.
        checkpoints: folder of its networks, options and logs.
        results: folder of its test results.
    """

    name: str
    checkpoints: Path
    results: Path

    def load(self, **options: Any) -> TrainedModel:
        """Return its model, see `load`."""
        return load(self.name, checkpoints_dir=self.checkpoints.parent, **options)

    def export(self, output: Path | str, **options: Any) -> Path:
        """Write its model as one file, see `export`."""
        places = {"checkpoints_dir": self.checkpoints.parent, "results_dir": self.results.parent}
        return export(self.name, output, **places, **options)

    def test(self, *, eval: bool = True, **options: Any) -> dict[str, Any]:  # noqa: A002 (the command's name for it)
        """Test it, as `txm2sem test`.

        Args:
            eval: freeze normalisation statistics and switch dropout off; without, as in the original code.
            options: further ones of `txm2sem test`, such as `uncertainty=8`.

        Returns:
            The scores, the document that docs/scores.md describes.

        Raises:
            UserError: as the command.
        """
        from txm2sem.testing import test_model

        places = {"checkpoints_dir": self.checkpoints.parent, "results_dir": self.results.parent}
        report = test_model(resolve(TestCommand(), {"name": self.name, **places, "eval": eval, **options}))
        return report.scores


def load(
    name: Path | str = "",
    *,
    epoch: str | int = "latest",
    checkpoints_dir: Path | str = "checkpoints",
    device: str = "auto",
    precision: str = "fp32",
    backend: str = "torch",
    seg_mode: str = "",
    seg_source: str = "",
) -> TrainedModel:
    """Return a trained model.

    Args:
        name: of its run, or a file that `export` has written; without one, the model that comes along.
        epoch: which checkpoint: the number of an epoch, `latest`, or `best` of the validation.
        checkpoints_dir: where its run is; a file is its own place.
        device: `cpu`, `cuda`, `cuda:1`, `mps` (Apple's GPU), or `auto`: the first GPU, where there is one.
        precision: `fp32` or `bf16`.
        backend: `torch`, or `openvino`, which computes in 8-bit integers.
        seg_mode: what a model that segments is given: `txm`, `sem`, or `semfake`: TXM, of which the SEM is predicted
            first; as in its training where absent, but for `sem`, which must be said.
        seg_source: with `semfake`, the translation model that predicts it.

    Raises:
        UserError: there is no such model, or it neither translates TXM to SEM nor segments.
    """
    asked = {name: value for name, value in (("seg_mode", seg_mode), ("seg_source", seg_source)) if value}
    machine = {"gpu_ids": _gpu_ids(device), "precision": precision, **asked}
    if not name:
        own = of_shipped_model({})
    elif is_model_file(str(name)):
        own = of_model_file({"name": str(name), "epoch": str(epoch)})
    else:
        own = {"name": str(name), "checkpoints_dir": checkpoints_dir, "epoch": str(epoch)}
    return TrainedModel({**own, **machine}, backend)


def train(
    dataroot: Path | str,
    name: str,
    *,
    device: str = "auto",
    echo: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Run:
    """Train a model, as `txm2sem train`.

    Args:
        dataroot: folder of the aligned slices.
        name: of the run.
        device: as in `load`.
        echo: receives each line for the console, such as `print`.
        options: further ones of `txm2sem train`, such as `recipe="translate"`, `time_budget=5` [minutes], or
            `continue_train=True`; `config="mine.yaml"` takes them from a file, as in all calls.

    Raises:
        UserError: as the command.
    """
    from txm2sem.training.fit import fit

    given = {"dataroot": dataroot, "name": name, "gpu_ids": _gpu_ids(device), **options}
    paths = fit(resolve(TrainCommand(), given, echo), echo)
    return Run(paths.name, paths.checkpoints, paths.results)


def export(name: str, output: Path | str, **options: Any) -> Path:
    """Write a trained model as one file, as `txm2sem export`, and return where it is.

    Args:
        name: of its run; "" for the model that comes along.
        output: a name that ends with `.zip`, for `load` and BioImage.IO, or with `.onnx`.
        options: further ones of `txm2sem export`: `author="..."` and `license="CC-BY-4.0"`, which a `.zip` needs,
            `citation`, `epoch`, or `checkpoints_dir`.

    Raises:
        UserError: as the command.
    """
    from txm2sem.exporting import export_model

    return export_model(resolve(ExportCommand(), options), name, Path(output)).output


def repair(sem: ArrayLike, charge: ArrayLike, txm: ArrayLike | None = None, *, seed: int | None = None) -> Array:
    """Return a SEM image with its charged regions filled by kriging, in its own type; it is untouched elsewhere.

    Args:
        sem: (rows, columns), grey values; 0 is not imaged.
        charge: (rows, columns), True, or above 0, where it is charged.
        txm: (rows, columns), aligned TXM, which helps where there is one.
        seed: of texture like that of the rest; without one the filling is the smooth expectation, see `krige`.

    Raises:
        UserError: no pixel is intact, or the arrays are not such ones.
    """
    image = grey_array(sem, ("rows", "columns"), "sem")
    mask = mask_array(charge, image.shape)
    other = None if txm is None else grey_array(txm, ("rows", "columns"), "txm", shape=image.shape)
    filled = krige(image, mask, other, None if seed is None else np.random.default_rng(seed))
    return np.where(mask, to_dtype(filled, image.dtype), image)


def scores(prediction: ArrayLike, truth: ArrayLike, valid: ArrayLike | None = None) -> dict[str, Any]:
    """Return the scores of predicted images beside true ones: the document that docs/scores.md describes.

    Args:
        prediction: (rows, columns) or (N, rows, columns), 8 bits.
        truth: the same of the SEM.
        valid: the same, True, or above 0, where pixels count; all where absent.

    Raises:
        UserError: the arrays are not such ones; with other types nobody knows what is black and white.
    """
    from txm2sem.scoring.card import scorecard
    from txm2sem.scoring.document import scores_document

    images = {"prediction": plain_array(prediction, "the prediction"), "truth": plain_array(truth, "the truth")}
    shape = images["truth"].shape
    for name, image in images.items():
        if image.dtype != np.uint8 or image.shape != shape or image.ndim not in (2, 3) or not image.size:
            raise UserError(
                f"the {name} is {image.shape} of {image.dtype}; expected (rows, columns) or (N, rows, columns) of "
                f"uint8, both of one shape, with one range from black to white: convert both alike, such as "
                "(255 * (sem - black) / (white - black)).clip(0, 255).round().astype('uint8')"
            )
    stacks = {name: image.reshape(-1, *shape[-2:]) for name, image in images.items()}
    counts = None if valid is None else mask_array(valid, shape, "valid")
    card = scorecard(
        {"prediction": stacks["prediction"]},
        stacks["truth"],
        valid=None if counts is None else counts.reshape(stacks["truth"].shape),
    )
    return scores_document(card, {}, [])


def check(dataroot: Path | str, *, output: Path | str = "", **options: Any) -> CheckReport:
    """Look at a data root before any training, and write a report, as `txm2sem check`.

    Args:
        dataroot: folder with train, val and test; it is only read.
        output: folder of the report; `NAME_check` in the current folder where empty.
        options: further ones of `txm2sem check`: those of the data, as the training will have them.

    Raises:
        UserError: as the command.
    """
    command = resolve(CheckCommand(), {"output": str(output), **options})
    return check_data_root(dataroot, command.data, command.check.output, figures=command.figure.figures)


def compare(
    *names: str,
    output: Path | str = "",
    checkpoints_dir: Path | str = "checkpoints",
    results_dir: Path | str = "results",
    figures: PageFigureKind = "none",
) -> Path:
    """Write a page about several runs, side by side, as `txm2sem compare`, and return where it is.

    With `figures="pdf"`, `"svg"` or `"png"`, what it draws is written into the folder `PAGE_figures` beside it, too.

    Raises:
        UserError: there are fewer than two, or one is not there.
    """
    from txm2sem.reporting import compare_runs

    if len(names) < 2:
        raise UserError(f"expected the names of two runs or more to compare, found {len(names)}")
    places = {"output": str(output), "checkpoints_dir": checkpoints_dir, "results_dir": results_dir}
    command = resolve(CompareCommand(), {**places, "figures": figures})
    runs = [RunPaths.of(name, command.run.checkpoints_dir, command.run.results_dir) for name in names]
    return compare_runs(runs, command.compare.output, command.figure.figures).path


def sweep(
    plan: Path | str,
    *,
    device: str = "auto",
    echo: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> dict[str, Any]:
    """Train and test many models by a plan, as `txm2sem sweep`; the same call goes on with what is missing.

    Args:
        plan: a file (YAML), or the name of a plan that comes along, such as `paper`.
        device: as in `load`.
        echo: receives each line for the console, such as `print`.
        options: further ones of `txm2sem sweep`, such as `dataroot="images"` or `jobs=2`.

    Returns:
        What was found of all runs, as in `sweep.json`; docs/sweeps.md says what is in it.

    Raises:
        UserError: as the command; or a run has failed, after the others are done.
    """
    from txm2sem.sweeping import Sweep

    given = {**options} if "gpu_ids" in options else {"gpu_ids": _gpu_ids(device), **options}
    report = Sweep.of(resolve(SweepCommand(), given), str(plan)).run(echo)
    if report.failed:
        name, problem = next(iter(report.failed.items()))
        raise UserError(
            f"{len(report.failed)} of the runs have failed, the others are done. {name}: {problem}; the same call goes "
            "on with what is missing"
        )
    return read_json(report.paths.document, "make the same call again")


def measure(source: Path | str, output: Path | str, **options: Any) -> dict[str, Any]:
    """Measure the phases of a volume of any size from file to folder, as `txm2sem measure`; the same call goes on.

    Args:
        source: a volume of labels, of grey values with `thresholds="80,170"` or `method="otsu"`, or, with `name`, what
            that model is applied to first; or the address of a Zarr.
        output: a new folder for `measures.json`, `measures.csv` and `measures.html`.
        options: further ones of `txm2sem measure`, such as `voxel_size=32` [nm] or `measured="1,2"`.

    Returns:
        The document, as in `measures.json`: fractions with intervals, sizes, surfaces, connectivity, and diffusion of
        each phase, with what they mean; of a volume of several draws, of each draw, and over them.

    Raises:
        UserError: as the command.
    """
    from txm2sem.applying.volume.applied import AppliedVolume
    from txm2sem.measures import read_measures
    from txm2sem.measuring.model import volume_command
    from txm2sem.measuring.report import measure_volume
    from txm2sem.measuring.run import MeasureRun

    texts = ("voxel_size", "thresholds", "not_imaged", "measured")
    asked = {name: str(value) if name in texts else value for name, value in options.items()}
    command, path = resolve(MeasureCommand(), asked), place_of(source)
    model = partial(AppliedVolume, volume_command(command), path) if command.measure.name else None
    run = MeasureRun(command, path, Path(output), model)
    with run.begin() as stage:
        if stage != "whole":
            measure_volume(run)
    return read_measures(run.paths.output)


def open_volume(
    path: Path | str,
    *,
    dataset: str = "",
    axes: str = "",
    voxel_size: float | Sequence[float] | None = None,
    roi: str = "",
    missing: str = "refuse",
) -> VolumeReader:
    """Open a volume of any format that `txm2sem volume` reads. Nothing but headers is read until it is sliced.

    Args:
        path: a file, a folder of TIFF slices, a Zarr folder, or a pattern of TIFF slices; or the address of a Zarr
            folder, such as `https://server/scan.ome.zarr`.
        dataset: path of the data set inside HDF5 or Zarr; "" finds it.
        axes: of the stored array in its order, such as `xyz`; "" takes what the file says.
        voxel_size: of a voxel, one number or (z, y, x) [nm]; None: what the file says.
        roi: part to read, `z0:z1,y0:y1,x0:x1` [voxels]; "": all.
        missing: `refuse` a volume of which voxels are not stored, or take them for `black`.

    Returns:
        A volume with `shape`, `dtype` and `voxel_size`; it is sliced like an array (z, y, x), or read as a whole by
        `numpy.asarray`.

    Raises:
        UserError: there is nothing there, or it is no grey volume.
    """
    size = voxel_size if voxel_size is None or isinstance(voxel_size, int | float) else ",".join(map(str, voxel_size))
    given = None if size is None else parse_voxel_size(str(size))
    return open_reader(VolumeInput(path, dataset, axes, given, roi, missing))


def phantom(size: int = 512, depth: int = 128, seed: int = 0, **options: Any) -> Phantom:
    """Return a synthetic shale whose truth is known at every voxel: `.txm`, `.sem`, `.labels` and more, as arrays.

    Args:
        size: rows and columns [voxels].
        depth: slices.
        seed: of everything random.
        options: further ones of `txm2sem phantom`, such as `porosity` or `blur`. With `unaligned=True, train_slices=4`
            it has four oblique `.faces`, too: `face.cut(rock.sem)` is the image of one, `face.places(row, column)` is
            where a pixel of it lies.

    Raises:
        UserError: an option has no such value.
    """
    slices = dict.fromkeys(("train_slices", "val_slices", "test_slices"), 0)
    given = {"size": size, "depth": depth, "seed": seed, **slices, **options}
    return render_phantom(resolve(PhantomCommand(), given).phantom)


def _changed(command: Command, options: dict[str, Any]) -> dict[str, Any]:
    """Return those options that have other values than a command has by default: what a user asks for."""
    defaults = to_mapping(command)
    return {name: value for name, value in options.items() if name not in defaults or defaults[name] != value}


def _gpu_ids(device: str) -> str:
    """Return `--gpu_ids` for a device as PyTorch names it."""
    kind, _, number = device.partition(":")
    known = {"auto": "auto", "cpu": "-1", "cuda": number or "0", "mps": "mps"}
    if kind not in known:
        raise UserError(f"device {device}: expected one of auto, cpu, cuda, cuda:N, mps")
    return known[kind]


def _document(path: Place) -> dict[str, Any]:
    found: dict[str, Any] = read_json(path, "translate the volume again under another name")
    return found
