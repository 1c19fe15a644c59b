"""Publishing on the Hugging Face Hub: one commit or none, retried, and resumable by doing it again."""

from setfit_quantum.hub.errors import PushError, PushInterrupted
from setfit_quantum.hub.push import PushOptions, PushResult, push_folder, push_head, push_saved
from setfit_quantum.serialization.hub_errors import HubError

__all__ = [
    "HubError",
    "PushError",
    "PushInterrupted",
    "PushOptions",
    "PushResult",
    "push_folder",
    "push_head",
    "push_saved",
]
