"""Lay the slices of a SEM upon those of a TXM, and write what a training begins with."""
