"""Generator against discriminator: one step, read from top to bottom, that never asks which loss it runs.

What is settled here is part of what a run's id means: steps are D updates; G moves after D steps 1, 1+n_dis,
1+2*n_dis, ...; the G step uses the D step's latents, so the fakes of a D step that G follows are made once,
with their graph, and all others without; D sees real and fake in one pass, in two where it normalizes over the
batch; spectral norm's power iteration moves once per D update (G's, where it has one, once per G update) and
nowhere else, or with `norm.moves=pass`, as in the study's code, before each pass of D that trains; nothing but a
D step's own passes moves D's running statistics.

A run of several ranks takes this same step in each of them, on its slice of every batch: what they average is
gradients, the losses' values and running statistics, so that their states stay equal.
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
from landscape.networks.latents import sample_latents
from landscape.networks.normalizers import couples_samples
from landscape.networks.spectral_norm import advance_spectral_norms


def networks(cfg: Config, channels: int) -> dict[str, nn.Module]:
    """G and D, initialized from the run's seed; raises `UserError` for what the configuration cannot mean."""
    g, d = build(cfg, channels)
    return {"g": g, "d": d}


def optimizers(modules: dict[str, nn.Module], cfg: Config) -> dict[str, torch.optim.Optimizer]:
    """One optimizer a network, each at its own rate."""
    rates = {"g": cfg.optim.lr_g, "d": cfg.optim.lr_d}
    return {name: make_optimizer(modules[name].parameters(), lr, cfg.optim) for name, lr in rates.items()}


def steps(model: Model, cfg: Config) -> Callable[[Batch], Step]:
    """The function that makes one D update, and the G update that follows some of them."""
    loss, regularizer = get_loss(cfg.loss.kind), get_regularizer(cfg.reg.penalty)
    g, d = model.modules["g"], model.modules["d"]
    opt_g, opt_d = model.optimizers["g"], model.optimizers["d"]
    streams, counts = model.streams, model.counts
    d_parameters = list(d.parameters())
    by_pass = cfg.norm.moves == "pass"
    apart = couples_samples(d) or by_pass

    def half() -> torch.autocast:
        """Networks in bfloat16 where the run asks for it; losses, penalties and sigma stay in single precision."""
        return torch.autocast(model.device.type, torch.bfloat16, enabled=cfg.train.precision == "bf16")

    def see(images: Tensor) -> Tensor:
        """A pass of D, which moves its spectral norms where each of them does."""
        if by_pass:
            advance_spectral_norms(d)
        logits: Tensor = d(images)
        return logits

    def step(batch: Batch) -> Step:
        losses: dict[str, Tensor] = {}
        watched: dict[str, Tensor] = {}
        g_follows = generator_moves(model.step, counts["g_step"], counts["since_g"] + 1, cfg.optim)
        set_rates(model, rate_factor(model.step, cfg), cfg)
        noise = instance_noise(model.step, cfg)

        # Discriminator: real against detached fakes, and the penalty.
        real = batch.images
        z = distributed.share(sample_latents(cfg.latent, cfg.train.batch_size, streams["latents"]))
        if g_follows:
            advance_spectral_norms(g)
        with torch.set_grad_enabled(g_follows), half():
            fake = g(z)
        fake = fake.float()
        seen_real, seen_fake = blur(real, noise, streams["noise"]), blur(fake, noise, streams["noise"])
        if regularizer.clamp is not None and cfg.reg.when == "before":
            watched["saturated"] = regularizer.clamp(d, cfg.reg)
        if not by_pass:
            advance_spectral_norms(d)
        with nullcontext() if by_pass else parametrize.cached():  # the penalty's pass reuses the normalized weights
            with half():
                if apart:
                    logits_real, logits_fake = see(seen_real), see(seen_fake.detach())
                else:
                    logits_real, logits_fake = d(torch.cat([seen_real, seen_fake.detach()])).chunk(2)
            loss_d = loss.d(logits_real.float(), logits_fake.float())
            if regularizer.term is not None:
                if by_pass and regularizer.per_sample:
                    advance_spectral_norms(d)
                with frozen_statistics(d):
                    loss_d = loss_d + regularizer.term(d, seen_real, seen_fake.detach(), cfg.reg, streams["penalty"])
        opt_d.zero_grad()
        loss_d.backward()
        losses["loss_d"] = loss_d.detach()
        # G's graph still needs its own statistics where a G step follows.
        moved = distributed.statistics(d) if g_follows else distributed.statistics(g, d)
        distributed.average([*(p.grad for p in d_parameters), *moved, losses["loss_d"]])
        opt_d.step()
        if regularizer.clamp is not None and cfg.reg.when == "after":
            watched["saturated"] = regularizer.clamp(d, cfg.reg)
        counts["since_g"] += 1

        # Generator: the same latents, D frozen with its buffers.
        if g_follows:
            freeze(d_parameters, True)
            with frozen_statistics(d), half():
                logits_fake = see(seen_fake).float()
                with torch.no_grad():
                    paired = see(seen_real).float() if loss.needs_real_logits else None
            loss_g = loss.g(logits_fake, paired)
            opt_g.zero_grad()
            loss_g.backward()
            losses["loss_g"] = loss_g.detach()
            extra = {} if loss.log_extra is None else loss.log_extra(logits_fake.detach())
            watched.update(extra)
            distributed.average(
                [*(p.grad for p in g.parameters()), *distributed.statistics(g), *extra.values(), losses["loss_g"]]
            )
            opt_g.step()
            freeze(d_parameters, False)
            counts["g_step"], counts["since_g"] = counts["g_step"] + 1, 0
        return Step(losses, watched, sampler_moved=g_follows)

    return step


def warnings(model: Model, cfg: Config) -> list[str]:
    """What the user should know of a legal combination that means little."""
    if couples_samples(model.modules["d"]) and get_regularizer(cfg.reg.penalty).per_sample:
        return ["the penalty takes each sample's own gradient, but batch normalization couples D's samples"]
    return []


GAN = Algorithm(
    networks,
    optimizers,
    steps,
    sampler="g",
    losses=("loss_d", "loss_g"),
    streams=("latents", "penalty", "noise"),
    counts=("g_step", "since_g"),  # G updates, and D updates since the last of them
    warnings=warnings,
)


def freeze(parameters: list[nn.Parameter], frozen: bool) -> None:
    """Keep a network's parameters out of the graph, or let them in again."""
    for p in parameters:
        p.requires_grad_(not frozen)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Batch norms use their batch's statistics but do not move the running ones: penalties and G steps are no data."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.track_running_stats = False
    try:
        yield
    finally:
        for m in norms:
            m.track_running_stats = True


def blur(images: Tensor, std: float, rng: Generator) -> Tensor:
    """Images with instance noise of this deviation; the images themselves where it is 0."""
    if std == 0:
        return images
    return images + std * distributed.normal(images.shape, images, rng)


def set_rates(model: Model, factor: float, cfg: Config) -> None:
    """Learning rates of this step."""
    if cfg.optim.decay == "none":
        return
    for name, lr in (("d", cfg.optim.lr_d), ("g", cfg.optim.lr_g)):
        for group in model.optimizers[name].param_groups:
            group["lr"] = lr * factor
