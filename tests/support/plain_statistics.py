"""Plain implementations of CR2, Bell and McCaffrey's degrees of freedom, and the wild cluster bootstrap with step-down maxima."""

import numpy as np


def plain_cr2(values, clusters):
    """Mean, CR2 standard error and degrees of freedom of an intercept-only regression, with the matrices of Pustejovsky & Tipton (2018)."""
    y, X, N = np.asarray(values, float), np.ones((len(values), 1)), len(values)
    bread = np.linalg.inv(X.T @ X)
    hat = X @ bread @ X.T
    mean = (bread @ X.T @ y)[0]
    meat, directions = 0.0, []
    for label in sorted(set(clusters.tolist())):
        mine = clusters == label
        adjusted = X[mine].T @ _inverse_root(np.eye(mine.sum()) - hat[np.ix_(mine, mine)])
        meat += (adjusted @ (y - mean)[mine])[0] ** 2
        directions.append((bread @ adjusted @ (np.eye(N) - hat)[mine])[0])
    gram = np.array(directions) @ np.array(directions).T
    return mean, np.sqrt(bread[0, 0] * meat * bread[0, 0]), np.trace(gram) ** 2 / np.trace(gram @ gram)


def plain_step_down(differences, clusters, weights):
    """Corrected p-values of the means of a list of (clip -> difference) dictionaries, one draw and one pair after the other."""
    labels = sorted(set(clusters.tolist()))
    t = lambda values: abs(plain_t(values, clusters))  # noqa: E731
    observed = [t(values) for values in differences]
    draws = [
        [t({c: values[c] * draw[labels.index(clusters[c])] for c in values}) for values in differences]
        for draw in weights.T
    ]
    order = sorted(range(len(observed)), key=lambda n: -observed[n])
    p_values, largest = [0.0] * len(observed), 0.0
    for rank, n in enumerate(order):
        exceed = sum(max(draw[m] for m in order[rank:]) >= observed[n] * (1 - 1e-9) for draw in draws)
        largest = max(largest, (exceed + 1) / (len(draws) + 1))
        p_values[n] = largest
    maxima = sorted((max(draw) for draw in draws), reverse=True)
    return p_values, maxima[round(0.05 * (len(draws) + 1)) - 1]


def plain_t(values, clusters):
    """Mean of a (clip -> value) dictionary divided by its CR2 standard error; infinite without spread, 0 if all values are 0."""
    clips = sorted(values)
    mean, error, _ = plain_cr2([values[c] for c in clips], clusters[clips])
    if error > 1e-12 * max(abs(v) for v in values.values()):
        return mean / error
    return float("inf") if mean else 0.0


def _inverse_root(matrix):
    w, v = np.linalg.eigh(matrix)
    return v @ np.diag(w**-0.5) @ v.T
