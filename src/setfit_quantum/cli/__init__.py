"""The command line `setfit-quantum`. One module per command; `app.py` registers them."""

from __future__ import annotations


def main() -> None:
    """Run the command line with the process's arguments."""
    from setfit_quantum.cli.app import app

    app(prog_name="setfit-quantum")
