"""The rate-distortion plane where it is known: a linear Gaussian autoencoder, and a binary channel."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from analysis.figures.style import MUTED_COLOR, SERIES
from analysis.lab.panel import Array, Check, Data, Panel, dots, legend, line, sheet

BETAS: Array = np.array([0.1, 0.2, 0.5, 1, 2, 5, 10])
FLIPS: Array = np.array([0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
ENTROPY = 0.5 * np.log(4 * np.pi * np.e)  # of x ~ N(0, 2)
BATCH, STEPS, TEST = 256, 1500, 40_000


def plane(a: Array, variance: Array) -> tuple[Array, Array]:
    """R and D of the encoder N(ax, `variance`) with decoder N(z, 1), prior N(0, 1) and data N(0, 2)."""
    rate = (2 * a**2 + variance - np.log(variance) - 1) / 2
    distortion = (np.log(2 * np.pi) + 2 * (1 - a) ** 2 + variance) / 2
    return rate, distortion


def best(beta: Array) -> tuple[Array, Array]:
    """R and D of the encoder that minimizes D + βR: mean x/(1 + β), variance β/(1 + β)."""
    return plane(1 / (1 + beta), beta / (1 + beta))


def simulate() -> Data:
    """The encoder trained by reparametrized gradients for each β, and its R and D on test data with one z each."""
    rng = np.random.default_rng(0)
    a, log_sd = np.full(len(BETAS), 0.1), np.zeros(len(BETAS))
    kept = np.zeros((2, len(BETAS)))
    for step in range(STEPS):
        x, eps = 2**0.5 * rng.standard_normal((BATCH, 1)), rng.standard_normal((BATCH, 1))
        sd = np.exp(log_sd)
        error = a * x + sd * eps - x
        slope = (error * x).mean(0) + BETAS * a * (x**2).mean(), (error * eps).mean(0) * sd + BETAS * (sd**2 - 1)
        rate = 0.1 / (1 + BETAS)
        a, log_sd = a - rate * slope[0], log_sd - rate * slope[1]
        kept += np.stack([a, log_sd]) * (step >= STEPS // 2)
    a, sd = kept[0] / (STEPS - STEPS // 2), np.exp(kept[1] / (STEPS - STEPS // 2))
    x, eps = 2**0.5 * rng.standard_normal((TEST, 1)), rng.standard_normal((TEST, 1))
    rates = ((a * x) ** 2 + sd**2 - np.log(sd**2) - 1).mean(0) / 2
    distortions = (np.log(2 * np.pi) + (x - a * x - sd * eps) ** 2).mean(0) / 2
    flipped = rng.random((TEST, 1)) < FLIPS
    bits = -np.where(flipped, np.log(FLIPS), np.log(1 - FLIPS)).mean(0)
    return {"a": a, "variance": sd**2, "rates": rates, "distortions": distortions, "bits": bits}


def binary_entropy(flip: Array) -> Array:
    """h(ε) in nats."""
    return np.asarray(-flip * np.log(flip) - (1 - flip) * np.log(1 - flip))


def checks(data: Data) -> list[Check]:
    """The trained points, the curve's slope, the bounds H - D <= I <= R, and the channel's diagonal."""
    rate, distortion = best(BETAS)
    step = 1e-5
    (r0, d0), (r1, d1) = best(BETAS * (1 - step)), best(BETAS * (1 + step))
    information = np.log1p(2 * data["a"] ** 2 / data["variance"]) / 2
    own_rate, own_distortion = plane(data["a"], data["variance"])
    low, high = information - (ENTROPY - own_distortion), own_rate - information
    return [
        Check("trained points: R", data["rates"], rate, 0.03),
        Check("trained points: D", data["distortions"], distortion, 0.03),
        Check("slope dD/dR = −β, relative", -(d1 - d0) / (r1 - r0) / BETAS, 1, 1e-6),
        Check(
            "β = 1: R = H − D = ½ log 2",
            [rate[3], ENTROPY - distortion[3]],
            np.log(2) / 2,
            1e-12,
        ),
        Check("H − D ≤ I ≤ R: violations", np.minimum(np.minimum(low, high), 0), 0, 1e-12),
        Check("binary channel: D and h(ε)", data["bits"], binary_entropy(FLIPS), 0.01),
    ]


def draw(data: Data) -> Figure:
    """The plane with its bound, and the channel on it."""
    fine, flips = np.geomspace(0.05, 50, 300), np.linspace(1e-4, 0.5, 200)
    with sheet("Linear Gaussian, x ~ N(0, 2)", "Binary channel", width=4.4, height=3.8) as (fig, (left, right)):
        line(left, *best(fine), SERIES[0], "best encoder at each β")
        line(left, np.array([0, 2]), ENTROPY - np.array([0, 2.0]), MUTED_COLOR, "D = H − R", (0, (4, 3)))
        dots(left, data["rates"], data["distortions"], SERIES[0], "trained, slope mark −β")
        for beta, r, d in zip(BETAS, *best(BETAS), strict=True):
            half = 0.09 / np.hypot(1, beta)
            left.plot([r - half, r + half], [d + beta * half, d - beta * half], color=SERIES[1], lw=1.6, zorder=3)
            left.annotate(f"{beta:g}", (r, d), (6, 4), textcoords="offset points", fontsize=8, color=SERIES[1])
        line(right, np.log(2) - binary_entropy(flips), binary_entropy(flips), SERIES[0], "D = log 2 − R")
        dots(right, np.log(2) - binary_entropy(FLIPS), data["bits"], SERIES[0], "simulated, flips of 1 to 50 %")
        left.set(xlim=(-0.05, 2), ylim=(0.8, 2.6), xlabel="rate R (nats)", ylabel="distortion D (nats)")
        right.set(xlabel="rate R (nats)", ylabel="distortion D (nats)")
        for ax in (left, right):
            ax.axvline(0, color=MUTED_COLOR, lw=0.9)
            legend(ax)
    return fig


PANEL = Panel(
    "rate_distortion",
    "Rate and distortion of a linear Gaussian autoencoder",
    (
        "minimize D + βR, D = −E log p(x|z), R = E KL(q(z|x) ‖ m(z)); H − D ≤ I(X; Z) ≤ R",
        "z ~ N(0, 1), x|z ~ N(z, 1): best q = N(x/(1 + β), β/(1 + β)); along the curve dD/dR = −β",
    ),
    "β moves the optimum along the curve, which touches the bound D = H − R at β = 1 alone, where the model fits. A "
    "large β ends at R = 0, where the code says nothing; a small one at little distortion for many nats. The channel "
    "lies on the bound from end to end.",
    "Alemi et al., Fixing a Broken ELBO, ICML 2018 (arXiv 1711.00464); the optimum is derived here",
    simulate,
    checks,
    draw,
)
