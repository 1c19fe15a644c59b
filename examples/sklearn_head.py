"""The quantum head as a scikit-learn estimator: alone and as three that vote, beside logistic regression.

All are cross-validated on the same embeddings.

python examples/sklearn_head.py
"""

from sentence_transformers import SentenceTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from setfit_quantum import QuantumHeadClassifier
from setfit_quantum.data import load_examples
from setfit_quantum.default_body import resolve_body


def main(num_epochs: int = 40, n_qubits: int = 8) -> dict[str, float]:
    train = load_examples("bundled:reviews")
    embeddings = SentenceTransformer(resolve_body(), device="cpu").encode(train.texts)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)

    def quantum(seed: int) -> QuantumHeadClassifier:
        return QuantumHeadClassifier(n_qubits=n_qubits, num_epochs=num_epochs, random_state=seed)

    scores = {}
    for name, estimator in (
        ("quantum head", quantum(0)),
        # Their mean probabilities decide: heads of other seeds make other mistakes.
        ("three quantum heads", VotingClassifier([(f"seed {s}", quantum(s)) for s in range(3)], voting="soft")),
        ("logistic regression", LogisticRegression(max_iter=1000)),
    ):
        folds_scores = cross_val_score(estimator, embeddings, train.labels, cv=folds)
        scores[name] = float(folds_scores.mean())
        print(f"{name}: {100 * folds_scores.mean():.1f} % (folds: {', '.join(f'{100 * s:.1f}' for s in folds_scores)})")
    return scores


if __name__ == "__main__":
    main()
