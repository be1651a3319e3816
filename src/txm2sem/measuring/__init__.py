"""Measure the phases of a volume."""
