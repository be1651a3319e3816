"""Train a model: the same as `txm2sem train`."""

import sys

from txm2sem.cli.main import train_script

if __name__ == "__main__":
    sys.exit(train_script())
