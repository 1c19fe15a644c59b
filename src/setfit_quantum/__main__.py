"""`python -m setfit_quantum` is the command line `setfit-quantum`."""

from setfit_quantum.cli import main

if __name__ == "__main__":
    main()
