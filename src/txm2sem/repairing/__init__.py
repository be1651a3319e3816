"""Repair folders of charged SEM slices."""

from txm2sem.repairing.folder import FolderRepair, RepairedSlice

__all__ = ["FolderRepair", "RepairedSlice"]
