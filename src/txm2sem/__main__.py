"""The program, as `python -m txm2sem`."""

from txm2sem.cli.main import main

raise SystemExit(main())
