"""Pushing a trained model to the Hub: with a token that is typed, or with the login of a Space."""

from __future__ import annotations

import os
from html import escape

import gradio as gr
from gradio.utils import get_space

from setfit_quantum.demo.engine import Engine
from setfit_quantum.demo.keeping import push
from setfit_quantum.demo.request import on_page
from setfit_quantum.demo.train_pictures import status
from setfit_quantum.demo.training_run import Trained, own_model


def can_sign_in() -> bool:
    """Whether this is a Space with `hf_oauth`; elsewhere visitors type a token."""
    return get_space() is not None and "OAUTH_CLIENT_ID" in os.environ


def build_login() -> None:
    """Build the login button, where there is a login."""
    if not can_sign_in():
        return
    with gr.Row(equal_height=True):
        gr.LoginButton(size="sm", scale=0, min_width=230, elem_id="push-login")
        gr.HTML(
            '<p class="sq-sub">Only to push your model to the Hub without typing a token. Sign in before you train: it '
            "loads this page anew.</p>",
            min_height=1,
        )


def build_push(engine: Engine, trained: gr.State) -> None:
    """Build the form in the current block; `trained` holds the session's `Trained`."""
    repository = gr.Textbox(
        label="Repository", placeholder="you/my-quantum-model", max_lines=1, elem_id="push-repository"
    )
    token = gr.Textbox(
        label="Token with write access",
        info="Used for this one push, never logged or stored."
        + (" Not needed if you signed in above." if can_sign_in() else ""),
        type="password",
        max_lines=1,
        elem_id="push-token",
    )
    private = gr.Checkbox(label="Private repository", value=True, elem_id="push-private")
    button = gr.Button("Push", elem_id="push-start")
    outcome = gr.HTML(elem_id="push-outcome")

    @on_page
    def run(
        state: Trained | None, name: str, secret: str, is_private: bool, login: gr.OAuthToken | None
    ) -> tuple[str, str]:
        own = secret or (login.token if login is not None else "")
        url = push(engine, own_model(state), name, own, private=is_private)
        return status(f'Pushed: <a href="{escape(url)}" target="_blank" rel="noopener">{escape(url)}</a>'), ""

    button.click(
        run,
        [trained, repository, token, private],
        [outcome, token],
        api_visibility="private",
        concurrency_limit=2,
        concurrency_id="pushing",
    )
