"""Volumes in one file, where the slices of a folder are expected."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from data_roots import write_stack
from hypothesis import given, settings
from hypothesis import strategies as st

from data.readers.compound import write_txm
from data.readers.formats import noise
from txm2sem.data.stacks import TiffStack
from txm2sem.data.volume_stacks import open_stack, volume_file

SHAPE = (7, 11, 18)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[TiffStack, TiffStack]:
    folder = tmp_path_factory.mktemp("both")
    write_stack(folder / "slices", noise(SHAPE))
    return open_stack(folder / "slices"), open_stack(write_txm(folder / "scan.txm", noise(SHAPE)))


@given(index=st.integers(0, 6), rows=st.slices(11), columns=st.slices(18))
@settings(max_examples=30)
def test_slices_are_those_of_a_folder(
    both: tuple[TiffStack, TiffStack], index: int, rows: slice, columns: slice
) -> None:
    slices, volume = both
    assert (volume.numbers, volume.shape, volume.dtype) == (slices.numbers, slices.shape, slices.dtype)
    assert len(volume) == len(slices)
    if (rows.step or 1) > 0 and (columns.step or 1) > 0:
        np.testing.assert_array_equal(volume.read(index, rows, columns), slices.read(index, rows, columns))


def test_other_processes_open_the_file_anew(both: tuple[TiffStack, TiffStack], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = slice(None), slice(None)
    volume = both[1]
    expected = volume.read(3, *whole)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(volume)).read(3, *whole), expected)
    monkeypatch.setattr("os.getpid", lambda: -1)  # as in a process that was forked
    np.testing.assert_array_equal(volume.read(3, *whole), expected)


def test_a_volume_stands_for_a_folder_of_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "txm_full_stack"
    assert volume_file(folder) is None
    path = write_txm(tmp_path / "txm_full_stack.txm", noise(SHAPE))
    assert volume_file(folder) == volume_file(path) == path
    assert open_stack(folder).folder == path
