"""Test a trained model: the same as `txm2sem test`."""

import sys

from txm2sem.cli.main import test_script

if __name__ == "__main__":
    sys.exit(test_script())
