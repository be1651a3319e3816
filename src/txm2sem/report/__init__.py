"""Figures and pages, drawn from results."""
