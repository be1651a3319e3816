"""Tiny data roots with charge that image repair can take shapes from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tifffile
from data_roots import write_data_root, write_slice

CHARGED = slice(0, 36)
"""Rows and columns of the charged corner of every slice: some windows of 32 x 32 in it are charged too much."""

BLACK = slice(50, 60)
"""Rows and columns that are 0 in every SEM."""


def write_repair_root(
    path: Path, *, dtype: str = "uint8", splits: Iterable[str] = ("train", "val", "test"), slices: int = 2
) -> Path:
    """Write slices of 96 x 96 as `write_data_root`, with a ragged charged corner and a black square in each."""
    splits = tuple(splits)
    write_data_root(path, dtype=dtype, splits=splits, slices=slices, masks=False)
    rng = np.random.default_rng(5)
    for split in splits:
        for sem_path in sorted((path / split / "sem").iterdir()):
            sem = tifffile.imread(sem_path)
            charge = np.zeros(sem.shape, np.uint8)
            charge[CHARGED, CHARGED] = rng.random((36, 36)) < 0.9
            sem[charge > 0] = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else sem.max()
            sem[BLACK, BLACK] = 0
            write_slice(sem_path, sem)
            write_slice(path / split / "charge" / sem_path.name, charge)
    return path
