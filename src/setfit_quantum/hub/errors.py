"""How a push ends when it fails."""

from __future__ import annotations

from setfit_quantum.serialization.hub_errors import HubError


class PushError(HubError):
    """A push failed; the message says what the Hub has now and how to go on."""


class IncompletePushError(PushError):
    """The Hub made the commit without some of its files."""


class PushInterrupted(KeyboardInterrupt):
    """Ctrl-C while a model was pushed; the message says how to go on."""
