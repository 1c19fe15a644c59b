"""How requests are refused: messages that say why, and nothing of what a visitor sent in the log."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from html import escape
from typing import Any

import gradio as gr

from setfit_quantum.demo.limits import RequestError

_SECONDS, _TITLE = 12, "Not possible"


def refuse(error: RequestError, *, page: bool = True) -> gr.Error:
    """The refusal as Gradio hands it on, without a traceback in the log.

    Args:
        error: Its message may quote what a visitor wrote.
        page: Whether a browser shows it, as HTML; else a program reads it.
    """
    words = escape(str(error), quote=False) if page else str(error)
    return gr.Error(words, duration=_SECONDS, title=_TITLE, print_exception=False)


def on_page(work: Callable[..., Any]) -> Callable[..., Any]:
    """Make a refusal a note in the corner, and leave what stands on the page.

    Gradio covers every output of a call that failed, be it a table or the field to type in, with the word "Error".
    """

    @wraps(work)
    def answer(*values: Any) -> Any:
        try:
            return work(*values)
        except RequestError as error:
            gr.Warning(escape(str(error), quote=False), duration=_SECONDS, title=_TITLE)
            return gr.skip()

    return answer


class CheckedBlocks(gr.Blocks):  # type: ignore[misc]
    """Blocks for strangers: malformed calls get a message and leave no value in the log; no token outlives its call.

    Gradio's own answer to too few values, or to a value of the wrong type, is a traceback with these values. And it
    keeps the last value of every field that was sent as long as the session lasts.
    """

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Refuse a call with too few values."""
        if len(inputs) < len(block_fn.inputs):
            needed = sum(not block.stateful for block in block_fn.inputs)
            raise refuse(RequestError(f"This call needs {needed} values, but got fewer."), page=False)

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False) -> Any:
        """Read the values as their fields do."""
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception:
            raise refuse(RequestError("A value of this call has the wrong type for its field."), page=False) from None
        finally:
            for block in block_fn.inputs:
                if getattr(block, "type", None) == "password" and state is not None:
                    state._update_value_in_config(block._id, "")
