"""Schedules as functions of the step: G updates, learning rates, instance noise."""

from __future__ import annotations

import math

from landscape.config.schema import Config, Optim

BURN_IN_G_STEPS, BURN_IN_EVERY, BURN_IN_D_STEPS = 25, 500, 100


def d_steps_before(g_step: int, optim: Optim) -> int:
    """Number of D updates before G update `g_step` (from 0), since the previous one.

    With `burn_in`: 100 for the first 25 G updates and every 500th (the code of arXiv 1701.07875), else n_dis.
    """
    if optim.burn_in and (g_step < BURN_IN_G_STEPS or g_step % BURN_IN_EVERY == 0):
        return BURN_IN_D_STEPS
    return optim.n_dis


def generator_moves(step: int, g_step: int, since: int, optim: Optim) -> bool:
    """Whether a G update follows D update `step` (from 1), which is the `since`-th after the last G update.

    As in the study, G is updated after D steps 1, 1 + n_dis, 1 + 2 n_dis, ... With `burn_in`, D also trains longer
    before the first G update.
    """
    return (step == 1 and not optim.burn_in) or since >= d_steps_before(g_step, optim)


def rate_factor(step: int, cfg: Config) -> float:
    """Factor of the learning rates at D update `step`: 1, or linear decay to 0."""
    return 1 - (step - 1) / cfg.train.steps if cfg.optim.decay == "linear" else 1.0


def instance_noise(step: int, cfg: Config) -> float:
    """Standard deviation of the noise on D's inputs at D update `step`, with linear decay to 0.

    Sonderby et al. (arXiv 1610.04490), section 3. 0 if `train.noise_std` is null.
    """
    return (cfg.train.noise_std or 0.0) * (1 - (step - 1) / cfg.train.steps)


def lens_weight(step: int, cfg: Config) -> float:
    """Weight of a lens's adversarial part at D update `step`: 1 - sin(pi t / 2K), t = step - 1, K = `lens.steps`.

    Sajjadi et al. (arXiv 1802.04374). 1 at the first step; 0 from step K + 1 on, where the lens is out, and without
    one.
    """
    last = cfg.lens.steps or 0
    return 1 - math.sin(math.pi * (step - 1) / (2 * last)) if step <= last else 0.0
