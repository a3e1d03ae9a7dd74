"""``python -m lsm2``, and with several processes ``torchrun -m lsm2 pretrain ...``: the command line."""

from lsm2.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
