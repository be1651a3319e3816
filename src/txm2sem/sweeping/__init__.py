"""Many runs from one plan: `Sweep` trains and tests them, each by calls of the program, and makes one table of them."""

from txm2sem.sweeping.run import Sweep, SweepReport

__all__ = ["Sweep", "SweepReport"]
