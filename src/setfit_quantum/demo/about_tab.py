"""The tab "About": one screenful on what is quantum here and what is not."""

from __future__ import annotations

from html import escape

import gradio as gr

from setfit_quantum.demo.engine import Engine

_PAGE = """
<div class="sq-about">
<p class="sq-lead"><b>No quantum computer is involved: the circuit is simulated on an ordinary processor.</b>
It is that of the paper <a href="https://arxiv.org/abs/2504.08732" target="_blank" rel="noopener">Quantum Large
Language Model Fine-Tuning</a>.</p>
<div class="sq-heads">
<section class="sq-head"><h3>Quantum (simulated)</h3><ul>
{encoder}
<li><b>The deciding circuit</b> turns {n_qubits} qubits by these angles and by trained ones, entangles and measures
them. Today’s machines could run it.</li>
<li><b>Noise.</b> A measurement gives 0 or 1, and the average of few of them scatters; gates and readings err, at rates
published for IonQ’s machines or in the paper.</li>
</ul></section>
<section class="sq-head"><h3>Not quantum</h3><ul>
<li><b>Understanding language.</b> A sentence transformer ({body}) does nearly all the work.</li>
<li><b>The vote.</b> A linear layer adds up what was measured.</li>
<li><b>Training.</b> The simulator computes gradients.</li>
<li><b>An advantage.</b> There is none: logistic regression on the same embedding is as good or better, and hardware
would be slower and dearer.</li>
</ul></section>
</div>
<p class="sq-sub"><b>Why look, then?</b> To see what noise does to it.
<b>Privacy:</b> what you type, train or sign in with is yours alone; a trained model is forgotten after an hour,
files after half an hour.</p>
</div>
"""
_ENCODER = (
    "<li><b>The encoder.</b> The embedding becomes the amplitudes of {qubits} qubits, and a trained circuit squeezes "
    "them into one angle per qubit. Not meant for a device.</li>"
)


def build_about_tab(engine: Engine) -> None:
    """Build the tab in the current block."""
    gr.HTML(describe(engine), elem_id="about-page")


def describe(engine: Engine) -> str:
    """The page, in the terms of the first model."""
    config = engine.bundled.head.config
    encoder = ""
    if config.encoder == "quantum":
        encoder = _ENCODER.format(qubits=config.resolve_encoder_qubits(config.in_features))
    return _PAGE.format(encoder=encoder, n_qubits=config.n_qubits, body=escape(engine.body_name.split("/")[-1]))
