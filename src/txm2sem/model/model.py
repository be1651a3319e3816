"""A trained model, as the options of a command name it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from txm2sem.data.grey import GreyRange, trained_range
from txm2sem.data.slices import ImageName
from txm2sem.data.txm_input import TxmInput
from txm2sem.kept import weights_of
from txm2sem.model.backends import load_predictor
from txm2sem.model.phases import PhaseCalibration
from txm2sem.model.planes import PlaneTranslator
from txm2sem.model.predictor import Predictor
from txm2sem.options import BackendName, ContrastOptions, GeneratorOptions, ModelCommand
from txm2sem.runs import SHIPPED_MODELS, RunPaths, paths_of


@dataclass(frozen=True)
class Model:
    """What stands between grey values of the TXM and those of the SEM, or the classes of a segmentation.

    Attributes:
        paths: of its run.
        label: of the checkpoint.
        checksum: SHA-256 of that.
        options: the network.
        data: what it sees: grey ranges, contrast, neighbouring slices.
        predictor: the network, from [-1, 1] to [-1, 1]; or to classes, see `Segmenter`.
        source: whether it sees the TXM or, in its place, the SEM.
        segments: what it finds the classes of, for people; empty where it translates.
        phases: what is known of the probabilities of these; None where nothing is.
    """

    paths: RunPaths
    label: str
    checksum: str
    options: GeneratorOptions
    data: ContrastOptions
    predictor: Predictor
    source: ImageName = "txm"
    segments: str = ""
    phases: PhaseCalibration | None = None

    @classmethod
    def load(
        cls,
        command: ModelCommand,
        label: str,
        backend: BackendName = "torch",
        *,
        frozen: bool = True,
        bounded: bool = True,
    ) -> Model:
        """Return the model of a command.

        Args:
            command: the options.
            label: of the checkpoint.
            backend: what computes the network.
            frozen: as `Predictor`.
            bounded: as `build_generator`.

        Raises:
            UserError: device or checkpoint are absent, do not fit the options, or the backend cannot compute them.
        """
        paths = paths_of(command)
        weights = weights_of(paths.network(label, "G"))
        predictor = load_predictor(command, backend, label, weights, frozen=frozen, bounded=bounded)
        return cls(paths, label, weights, command.model, command.data, predictor)

    @property
    def name(self) -> str:
        """Its name and epoch, for people."""
        return f"{self.paths.name} (epoch {self.label})"

    @property
    def segmentation(self) -> dict[str, Any]:
        """What the classes of a segmentation depend on besides the checkpoint: plain values by name."""
        calibration = None if self.phases is None else asdict(self.phases.calibration)
        return {"segments": self.segments, "calibration": calibration}

    @property
    def sampling(self) -> dict[str, Any]:
        """What draws depend on besides the checkpoint: plain values by name; nothing where none are made."""
        return {"emphasis": self.predictor.emphasis} if self.options.draws_noise else {}

    @property
    def is_shipped(self) -> bool:
        """Whether it is one that comes with the program."""
        return self.paths.checkpoints.parent == SHIPPED_MODELS

    @property
    def notes(self) -> Sequence[str]:
        """What the user must know of how it computes."""
        return self.predictor.notes

    def copied(self) -> Model:
        """Return one with a network of its own, whose statistics may be fixed."""
        predictor = copy(self.predictor)
        predictor.generator = deepcopy(predictor.generator)
        return replace(self, predictor=predictor)

    def source_range(self, dtype: np.dtype[Any], where: str) -> GreyRange:
        """Return the grey values of what it sees that are black and white, see `trained_range`."""
        return trained_range(self.data.txm_range, self.source, dtype, where, self.paths.name)

    def planes(self, grey: GreyRange) -> PlaneTranslator:
        """Return what translates planes of any size, whose grey values are such ones."""
        return PlaneTranslator(self.predictor, TxmInput.of(self.data, grey))
