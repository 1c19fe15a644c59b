"""The tab "About": one screenful on what is quantum here and what is not."""

from __future__ import annotations

import gradio as gr

_PAGE = """
<div class="sq-about">
<p class="sq-lead">This demo classifies sentences with a quantum circuit of a few qubits, as in the paper
<a href="https://arxiv.org/abs/2504.08732" target="_blank" rel="noopener">Quantum Large Language Model Fine-Tuning</a>.
<b>No quantum computer is involved: the circuit is simulated on this machine’s processor.</b></p>
<div class="sq-heads">
<section class="sq-head"><h3>What is quantum (simulated)</h3><ul>
<li><b>The encoders.</b> The embedding’s numbers become the amplitudes of ten qubits; a trained circuit compresses
them into one angle per qubit. Nobody plans to run this part on a device.</li>
<li><b>The deciding circuit.</b> Qubits are turned by these angles, entangled, turned by trained angles, four times
over, and measured. This part is small enough for today’s machines.</li>
<li><b>Shot noise.</b> A measurement gives 0 or 1. Averages of 100 of them scatter; real devices cannot avoid it.</li>
<li><b>Gate and readout errors.</b> Random flips after gates and wrong readings, at the rates that IonQ and the paper
publish for their machines.</li>
</ul></section>
<section class="sq-head"><h3>What is not</h3><ul>
<li><b>Understanding language.</b> A classical sentence transformer (all-MiniLM-L6-v2) does nearly all the work.</li>
<li><b>The last step.</b> A linear layer adds up the measured values, as in any classifier.</li>
<li><b>Training.</b> Gradients are computed by the simulator.</li>
<li><b>Any advantage.</b> Logistic regression on the same embeddings is as good or better, and is shown beside every
answer. Circuits of this size can be simulated easily: quantum hardware would be slower and dearer.</li>
</ul></section>
</div>
<p class="sq-sub"><b>Why look at it then?</b> To see what noise does to a quantum classifier, to check claims about such
classifiers, and to be ready when devices get better. <b>Privacy:</b> texts and models are not stored; a model that
you train lives as long as your page. Under the errors of a device the outcomes are averaged over several
hundred random error patterns, and every re-measurement draws its shots from that.</p>
</div>
"""


def build_about_tab() -> None:
    """Build the tab in the current block."""
    gr.HTML(_PAGE, elem_id="about-page")
