"""A trained model as one file, for colleagues and for other programs."""

from txm2sem.exporting.run import ExportReport, export_model

__all__ = ["ExportReport", "export_model"]
