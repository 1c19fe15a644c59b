"""TensorCircuit-NG on JAX: the whole training step under jit, samples by vmap."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import tensorcircuit as tc

from peers.problem import PlainCircuit, Problem, parity_signs

LEARNING_RATE = 1e-3
BETAS = 0.9, 0.999
EPSILON = 1e-8
_PAULIS = np.array(
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]],
    dtype=np.complex64,
)


class TensorCircuitEngine:
    """One problem, compiled once for training and once for inference.

    Args:
        problem: What to compute.
        samples: The first so many samples are used.
        chunk: Samples of one compiled call; gradients of several are added up before Adam's step.
    """

    def __init__(self, problem: Problem, samples: int, chunk: int) -> None:
        tc.set_backend("jax")
        tc.set_dtype("complex64")
        self.problem, self.chunk = problem, min(chunk, samples)
        self.x, self.labels = problem.x[:samples], problem.labels[:samples]
        self.parameters = {name: jnp.asarray(value) for name, value in problem.parameters.items()}
        self.moments = [jax.tree.map(jnp.zeros_like, self.parameters) for _ in range(2)]
        self.steps = 0
        self.rng = np.random.default_rng(0)
        self.key = jax.random.key(0)
        self.signs = jnp.asarray(parity_signs(problem.circuit.n_qubits))
        self.encoder_signs = jnp.asarray(parity_signs(problem.encoder.n_qubits))
        self._gradients = jax.jit(jax.grad(self._loss))
        self._expectations = jax.jit(jax.vmap(self._one, in_axes=(None, 0, 0)))
        self._sample = jax.jit(jax.vmap(self._sample_one, in_axes=(None, 0, 0)))
        self._update = jax.jit(_adam)

    def values(self, codes: np.ndarray | None = None) -> np.ndarray:
        """Exact expectations, under fixed errors where given."""
        parts = (self._expectations(self.parameters, x, self._codes(len(x), codes)) for x in self._split(self.x))
        return np.concatenate(list(parts))

    def sampled(self) -> np.ndarray:
        """Expectations from shots."""
        self.key, key = jax.random.split(self.key)
        keys = jax.random.split(key, len(self.x))
        parts = zip(self._split(self.x), self._split(keys), strict=True)
        return np.concatenate([self._sample(self.parameters, x, own) for x, own in parts])

    def gradient(self) -> np.ndarray:
        """Gradient of the mean loss by all parameters, in the order of `Problem.parameters`."""
        gradients = self._all_gradients(disturbed=False)
        return np.concatenate([np.asarray(gradients[name]).ravel() for name in self.problem.parameters])

    def step(self) -> None:
        """One training step under the case's condition."""
        gradients = self._all_gradients(disturbed=True)
        self.steps += 1
        self.parameters, *self.moments = self._update(self.parameters, gradients, *self.moments, self.steps)
        jax.block_until_ready(self.parameters)

    def infer(self) -> None:
        """One inference under the case's condition."""
        if self.problem.case.condition == "shots":
            self.sampled()
            return
        codes = self.problem.draw_codes(self.rng)[:, 0] if self.problem.case.condition == "noisy" else None
        self.values(codes)

    def _all_gradients(self, disturbed: bool):
        """Gradients under the case's noise or shots, or exact ones."""
        condition, total = self.problem.case.condition, None
        for x, labels in zip(self._split(self.x), self._split(self.labels), strict=True):
            draws = disturbed and condition == "noisy"
            codes = self._codes(len(x), self.problem.draw_codes(self.rng)[:, 0] if draws else None)
            normal = jnp.zeros((len(x), len(self.signs)))
            if disturbed and condition == "shots":
                self.key, key = jax.random.split(self.key)
                normal = jax.random.normal(key, normal.shape)
            gradients = self._gradients(self.parameters, x, labels, codes, normal)
            total = gradients if total is None else jax.tree.map(jnp.add, total, gradients)
        return total

    def _split(self, rows):
        return [rows[start : start + self.chunk] for start in range(0, len(rows), self.chunk)]

    def _codes(self, batch: int, codes: np.ndarray | None) -> np.ndarray:
        """Pauli numbers of each gate's wires, (batch, gates, 2), or (batch, 0) for a program without errors."""
        if self.problem.case.condition != "noisy":
            return np.zeros((batch, 0), np.int32)
        codes = np.zeros(len(self.problem.circuit.gates), np.int32) if codes is None else codes.astype(np.int32)
        two = np.array([len(gate.wires) == 2 for gate in self.problem.circuit.gates])
        pairs = np.stack([np.where(two, codes // 4, codes), np.where(two, codes % 4, 0)], axis=1)
        return np.repeat(pairs[None], batch, axis=0)

    def _loss(self, parameters, x, labels, codes, normal):
        z = jax.vmap(self._one, in_axes=(None, 0, 0))(parameters, x, codes)
        if self.problem.shots is not None:
            # Each qubit's shot noise by itself; the covariances between qubits would cost more.
            z = z + jnp.sqrt(jnp.maximum(1 - z * z, 1e-12) / self.problem.shots) * normal
        logits = z @ parameters["linear_weight"].T + parameters["linear_bias"]
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
        return -chosen.sum() / len(self.x)

    def _one(self, parameters, x, codes):
        return self.signs @ self._probabilities(parameters, x, codes)

    def _sample_one(self, parameters, x, key):
        probabilities = self._probabilities(parameters, x, jnp.zeros(0, jnp.int32))
        outcomes = jax.random.choice(key, len(probabilities), (self.problem.shots,), p=probabilities)
        return self.signs[:, outcomes].mean(axis=1)

    def _probabilities(self, parameters, x, codes):
        """Outcome probabilities of one sample."""
        encoder = self.problem.encoder
        amplitudes = jnp.zeros(2**encoder.n_qubits, jnp.complex64).at[: len(x)].set(x)
        latents = []
        for e, share in enumerate(self.problem.shares):
            circuit = tc.Circuit(encoder.n_qubits, inputs=amplitudes)
            self._apply(circuit, encoder, parameters["encoder_weights"][e], None, None)
            latents.append(self.encoder_signs[:share] @ _squares(circuit.state()) * parameters["scale"][e])
        circuit = tc.Circuit(self.problem.circuit.n_qubits)
        errors = codes if codes.size else None
        self._apply(circuit, self.problem.circuit, parameters["circuit_weights"], jnp.concatenate(latents), errors)
        return _squares(circuit.state())

    @staticmethod
    def _apply(circuit: tc.Circuit, gates: PlainCircuit, weights, features, errors) -> None:
        for number, gate in enumerate(gates.gates):
            if gate.name == "cx":
                circuit.cnot(*gate.wires)
            else:
                circuit.ry(gate.wires[0], theta=gates.angle(gate, weights, features))
            if errors is not None:
                for place, wire in enumerate(gate.wires):
                    circuit.any(wire, unitary=jnp.asarray(_PAULIS)[errors[number, place]])


def _squares(state):
    return jnp.real(state) ** 2 + jnp.imag(state) ** 2


def _adam(parameters, gradients, first, second, step):
    """One step of Adam, as PyTorch takes it."""
    first = jax.tree.map(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, first, gradients)
    second = jax.tree.map(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, second, gradients)
    rate, correction = LEARNING_RATE / (1 - BETAS[0] ** step), 1 - BETAS[1] ** step
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v / correction) + EPSILON), parameters, first, second
    )
    return parameters, first, second


def build(problem: Problem, samples: int, chunk: int) -> TensorCircuitEngine:
    """TensorCircuit-NG on a problem."""
    return TensorCircuitEngine(problem, samples, chunk)
