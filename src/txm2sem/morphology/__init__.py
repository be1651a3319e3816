"""Measures of phases in volumes, from boxes that each know only what is near them: arrays in, numbers out."""
