"""A variational autoencoder of points in the plane with gradients by hand: a hidden layer each way, Gaussian output."""

from __future__ import annotations

import numpy as np

from analysis.lab.adam import Adam, Params
from analysis.lab.panel import Array

HIDDEN, LATENT = 64, 2


def new_params(rng: np.random.Generator) -> Params:
    """Weights N(0, 1 / inputs), biases 0; `log_sd` is the output's, learned too."""

    def weight(rows: int, columns: int) -> Array:
        return np.asarray(rng.standard_normal((rows, columns)) / np.sqrt(rows))

    return {
        "in": weight(2, HIDDEN),
        "in_bias": np.zeros(HIDDEN),
        "code": weight(HIDDEN, 2 * LATENT),
        "code_bias": np.zeros(2 * LATENT),
        "up": weight(LATENT, HIDDEN),
        "up_bias": np.zeros(HIDDEN),
        "out": weight(HIDDEN, 2),
        "out_bias": np.zeros(2),
        "log_sd": np.zeros(1),
    }


def decode(p: Params, z: Array) -> Array:
    """The mean of x given z."""
    return np.asarray(np.tanh(z @ p["up"] + p["up_bias"]) @ p["out"] + p["out_bias"])


def loss(p: Params, x: Array, eps: Array) -> tuple[float, Params]:
    """-ELBO in nats a point (one z each, noise `eps`), and its gradients."""
    n = len(x)
    hidden = np.tanh(x @ p["in"] + p["in_bias"])
    mean, log_variance = np.split(hidden @ p["code"] + p["code_bias"], 2, axis=1)
    sd = np.exp(log_variance / 2)
    z = mean + sd * eps
    up = np.tanh(z @ p["up"] + p["up_bias"])
    error = up @ p["out"] + p["out_bias"] - x
    precision = np.exp(-2 * p["log_sd"][0])
    squared = (error**2).sum(1)
    distortion = np.log(2 * np.pi) + 2 * p["log_sd"][0] + precision * squared / 2
    rate = (mean**2 + sd**2 - log_variance - 1).sum(1) / 2

    d_out = precision * error / n
    d_up = d_out @ p["out"].T * (1 - up**2)
    d_z = d_up @ p["up"].T
    d_code = np.concatenate([d_z + mean / n, d_z * eps * sd / 2 + (sd**2 - 1) / (2 * n)], axis=1)
    d_hidden = d_code @ p["code"].T * (1 - hidden**2)
    gradients = {
        "in": x.T @ d_hidden,
        "in_bias": d_hidden.sum(0),
        "code": hidden.T @ d_code,
        "code_bias": d_code.sum(0),
        "up": z.T @ d_up,
        "up_bias": d_up.sum(0),
        "out": up.T @ d_out,
        "out_bias": d_out.sum(0),
        "log_sd": np.array([(2 - precision * squared).mean()]),
    }
    return float((distortion + rate).mean()), gradients


def train(points: Array, steps: int, batch: int, rate: float, rng: np.random.Generator) -> Params:
    """Parameters after `steps` of Adam on batches drawn from `points`."""
    params = new_params(rng)
    adam = Adam(params, rate, steps)
    for _ in range(steps):
        x = points[rng.integers(0, len(points), batch)]
        adam.descend(loss(params, x, rng.standard_normal((batch, LATENT)))[1])
    return params
