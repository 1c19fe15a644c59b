"""How far our float32 gradients are from float64: the same head on the PyTorch reference in double precision."""

from __future__ import annotations

from typing import Any

from peers.cases import Case

ACCURACY_QUBITS = (10, 12, 14, 16)
SAMPLES = 2


def measure_accuracy(sizes: list[int], in_features: int, seed: int = 0) -> list[dict[str, Any]]:
    """Relative difference in norm between gradients of the loss, and the largest one between expectations.

    Args:
        sizes: Qubits.
        in_features: Width of the embedding.
        seed: Of weights and samples.
    """
    import torch

    from peers.problem import build_head

    rows = []
    for n_qubits in sizes:
        case = Case(n_qubits, SAMPLES, in_features=in_features)
        x = torch.randn(SAMPLES, in_features, generator=torch.Generator().manual_seed(seed))
        labels = torch.arange(SAMPLES) % 2
        found = {}
        for dtype, backend in ((torch.float32, "numba"), (torch.float64, "torch")):
            head = build_head(case, seed).train()
            head.backend = backend
            head.to(dtype)
            z = head.expectations(x.to(dtype))
            loss = torch.nn.functional.cross_entropy(head.linear(z), labels)
            gradients = torch.autograd.grad(loss, list(head.parameters()))
            found[dtype] = z.detach().double(), torch.cat([part.flatten().double() for part in gradients])
        (z, gradient), (exact_z, exact_gradient) = found.values()
        rows.append(
            {
                "qubits": n_qubits,
                "samples": SAMPLES,
                "gradient_error": float((gradient - exact_gradient).norm() / exact_gradient.norm()),
                "largest_difference": float((z - exact_z).abs().max()),
            }
        )
    return rows
