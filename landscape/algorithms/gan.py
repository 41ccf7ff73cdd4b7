"""The GAN training step.

The following is part of what a run id means. Steps are D updates. G is updated after D steps 1, 1+n_dis, 1+2*n_dis, ...
The G step reuses the latents of its D step, so those fakes are generated once, with their graph. D processes real and
fake images in one pass, or in two if it couples samples (batch norm). Spectral normalization iterates once per D update
(once per G update in G), or with `norm.moves=pass` in every training pass of D, as in the study's code. Only the D
step's own passes update D's running statistics.

A conditional G makes each fake of the class of the real image at its place in the batch, as R3GAN's code does (arXiv
2501.05441). So classes are as frequent among fakes as in the data, and an interpolate has the class of both its ends.

With several ranks, each one takes this step on its slice of the batch. They average gradients, loss values and running
statistics, so their states stay equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from landscape import distributed
from landscape.algorithms.algorithm import Algorithm, Batch, Model, Step
from landscape.algorithms.optimizers import make_optimizer
from landscape.algorithms.schedules import generator_moves, instance_noise, rate_factor
from landscape.config.schema import Config
from landscape.losses.adversarial import get_loss
from landscape.losses.penalties import get_regularizer
from landscape.networks.build import build
from landscape.networks.conditional import at_labels
from landscape.networks.latents import sample_latents
from landscape.networks.normalizers import couples_samples
from landscape.networks.spectral_norm import advance_spectral_norms


def networks(cfg: Config, channels: int) -> dict[str, nn.Module]:
    """G and D, initialized from the run's seed. Raises `UserError` for an unknown architecture or normalizer."""
    g, d = build(cfg, channels)
    return {"g": g, "d": d}


def optimizers(modules: dict[str, nn.Module], cfg: Config) -> dict[str, torch.optim.Optimizer]:
    """One optimizer per network, each with its own learning rate."""
    rates = {"g": cfg.optim.lr_g, "d": cfg.optim.lr_d}
    return {name: make_optimizer(modules[name].parameters(), lr, cfg.optim) for name, lr in rates.items()}


def steps(model: Model, cfg: Config) -> Callable[[Batch], Step]:
    """Returns the function that makes one D update, followed by a G update if one is due."""
    loss, regularizer = get_loss(cfg.loss), get_regularizer(cfg.reg.penalty)
    g, d = model.modules["g"], model.modules["d"]
    opt_g, opt_d = model.optimizers["g"], model.optimizers["d"]
    streams, counts = model.streams, model.counts
    d_parameters = list(d.parameters())
    every = (
        cfg.reg.every or 1
    )  # lazy regularization (StyleGAN2, arXiv 1912.04958): every k-th D step, k times as strong
    by_pass = cfg.norm.moves == "pass"
    separate_passes = couples_samples(d) or by_pass

    def autocast() -> torch.autocast:
        """bf16 for the networks if configured. Losses, penalties and sigma stay fp32."""
        return torch.autocast(model.device.type, torch.bfloat16, enabled=cfg.train.precision == "bf16")

    def discriminate(critic: nn.Module, images: Tensor) -> Tensor:
        """A forward pass of D. With `norm.moves=pass` it iterates D's spectral norms first."""
        if by_pass:
            advance_spectral_norms(d)
        logits: Tensor = critic(images)
        return logits

    def step(batch: Batch) -> Step:
        losses: dict[str, Tensor] = {}
        watched: dict[str, Tensor] = {}
        g_follows = generator_moves(model.step, counts["g_step"], counts["since_g"] + 1, cfg.optim)
        set_rates(model, rate_factor(model.step, cfg), cfg)
        noise = instance_noise(model.step, cfg)

        # Discriminator: real against detached fakes, plus the penalty.
        real, critic = batch.images, at_labels(d, batch.labels)
        z = distributed.local_rows(sample_latents(cfg.latent, cfg.train.batch_size, streams["latents"]))
        if g_follows:
            advance_spectral_norms(g)
        with torch.set_grad_enabled(g_follows), autocast():
            fake = at_labels(g, batch.labels)(z)
        fake = fake.float()
        seen_real, seen_fake = (
            add_instance_noise(real, noise, streams["noise"]),
            add_instance_noise(fake, noise, streams["noise"]),
        )
        if regularizer.clamp is not None and cfg.reg.when == "before":
            watched["saturated"] = regularizer.clamp(d, cfg.reg)
        if not by_pass:
            advance_spectral_norms(d)
        with nullcontext() if by_pass else parametrize.cached():  # the penalty reuses the normalized weights
            with autocast():
                if separate_passes:
                    logits_real, logits_fake = (discriminate(critic, x) for x in (seen_real, seen_fake.detach()))
                else:
                    logits_real, logits_fake = critic(torch.cat([seen_real, seen_fake.detach()])).chunk(2)
            loss_d = loss.d(logits_real.float(), logits_fake.float())
            if regularizer.term is not None and (model.step - 1) % every == 0:
                if by_pass and regularizer.per_sample:
                    advance_spectral_norms(d)
                with frozen_statistics(d):
                    penalty = regularizer.term(critic, seen_real, seen_fake.detach(), cfg.reg, streams["penalty"])
                loss_d = loss_d + every * penalty
        opt_d.zero_grad()
        loss_d.backward()
        losses["loss_d"] = loss_d.detach()
        # If a G step follows, G's graph still needs its statistics.
        moved = distributed.running_statistics(d) if g_follows else distributed.running_statistics(g, d)
        distributed.average([*(p.grad for p in d_parameters), *moved, losses["loss_d"]])
        opt_d.step()
        if regularizer.clamp is not None and cfg.reg.when == "after":
            watched["saturated"] = regularizer.clamp(d, cfg.reg)
        counts["since_g"] += 1

        # Generator: same latents, D frozen including its buffers.
        if g_follows:
            freeze(d_parameters, True)
            with frozen_statistics(d), autocast():
                logits_fake = discriminate(critic, seen_fake).float()
                with torch.no_grad():
                    paired = discriminate(critic, seen_real).float() if loss.needs_real_logits else None
            loss_g = loss.g(logits_fake, paired)
            opt_g.zero_grad()
            loss_g.backward()
            losses["loss_g"] = loss_g.detach()
            extra = {} if loss.log_extra is None else loss.log_extra(logits_fake.detach())
            watched.update(extra)
            distributed.average(
                [
                    *(p.grad for p in g.parameters()),
                    *distributed.running_statistics(g),
                    *extra.values(),
                    losses["loss_g"],
                ]
            )
            opt_g.step()
            freeze(d_parameters, False)
            counts["g_step"], counts["since_g"] = counts["g_step"] + 1, 0
        return Step(losses, watched, sampler_moved=g_follows)

    return step


def warnings(model: Model, cfg: Config) -> list[str]:
    """Warnings about legal combinations that make little sense."""
    if couples_samples(model.modules["d"]) and get_regularizer(cfg.reg.penalty).per_sample:
        return ["the penalty uses per-sample gradients, but batch normalization couples D's samples"]
    return []


GAN = Algorithm(
    networks,
    optimizers,
    steps,
    sampler="g",
    losses=("loss_d", "loss_g"),
    streams=("latents", "penalty", "noise"),
    counts=("g_step", "since_g"),  # G updates; D updates since the last G update
    warnings=warnings,
)


def freeze(parameters: list[nn.Parameter], frozen: bool) -> None:
    """Exclude parameters from the graph (`frozen`), or include them again."""
    for p in parameters:
        p.requires_grad_(not frozen)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Batch norms use batch statistics without updating running ones, for penalties and G steps."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.track_running_stats = False
    try:
        yield
    finally:
        for m in norms:
            m.track_running_stats = True


def add_instance_noise(images: Tensor, std: float, rng: Generator) -> Tensor:
    """Add Gaussian noise of standard deviation `std` to images; returns the images themselves for 0."""
    if std == 0:
        return images
    return images + std * distributed.normal(images.shape, images, rng)


def set_rates(model: Model, factor: float, cfg: Config) -> None:
    """Set the learning rates of this step."""
    if cfg.optim.decay == "none":
        return
    for name, lr in (("d", cfg.optim.lr_d), ("g", cfg.optim.lr_g)):
        for group in model.optimizers[name].param_groups:
            group["lr"] = lr * factor
