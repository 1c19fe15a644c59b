"""A backend for tests whose outcomes have a given distribution, whatever the circuit."""

import torch

from setfit_quantum.backends.base import Backend, Capabilities, Moments
from setfit_quantum.backends.torch_measure import pauli_moments, pauli_z


class FixedDistribution(Backend):
    """Gives the moments and probabilities of `probabilities`, shape (2**m,), for every row.

    Counts its calls and the rows of each in `calls`, and refuses errors unless told otherwise.
    """

    name = "fixed"
    capabilities = Capabilities(frozenset(), (torch.float64,), ("cpu",), None, probabilities=True)

    def __init__(self, probabilities):
        self._probabilities = torch.as_tensor(probabilities, dtype=torch.float64)[None]
        self.calls = []

    def _rows(self, features):
        rows = 1 if features is None else len(features)
        self.calls.append(rows)
        return rows

    def expectations(self, circuit, weights, features=None, initial_state=None, *, n_readout=None, errors=None):
        assert errors is None
        return pauli_z(self._probabilities).expand(self._rows(features), -1)

    def moments(self, circuit, weights, features=None, initial_state=None, *, n_readout=None, errors=None):
        assert errors is None
        rows = self._rows(features)
        return Moments(*(value.expand(rows, *value.shape[1:]) for value in pauli_moments(self._probabilities)))

    def probabilities(self, circuit, weights, features=None, initial_state=None, *, n_readout=None, errors=None):
        assert errors is None
        return self._probabilities.expand(self._rows(features), -1)
