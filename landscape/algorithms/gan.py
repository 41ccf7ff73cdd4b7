"""The GAN training step.

The following is part of what a run id means. Steps are D updates. G is updated after D steps 1, 1+n_dis, 1+2*n_dis, ...
The G step reuses the latents of its D step, so those fakes are generated once, with their graph. D processes real and
fake images in one pass, or in two if it couples samples (batch norm). With `batch=mixed` it processes one batch, in
which each image is real with a probability drawn for that batch. Spectral normalization iterates once per D update
(once per G update in G), or with `norm.moves=pass` in every training pass of D, as in the study's code. Only the D
step's own passes update D's running statistics.

With `lens=tempered` D sees real images through a third network for its first `lens.steps` updates: in its own step, its
penalty and the G step. That network is updated once per D update, after D and G.

A conditional G makes each fake of the class of the real image at its place in the batch, as R3GAN's code does (arXiv
2501.05441). So classes are as frequent among fakes as in the data, and an interpolate has the class of both its ends.

With several ranks, each one takes this step on its slice of the batch. They average gradients, loss values and running
statistics, so their states stay equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize

from landscape import distributed
from landscape.algorithms.algorithm import Algorithm, Batch, Model, Step
from landscape.algorithms.optimizers import make_optimizer
from landscape.algorithms.schedules import generator_moves, instance_noise, lens_weight, rate_factor
from landscape.config.errors import UserError
from landscape.config.schema import Config
from landscape.losses.adversarial import get_loss
from landscape.losses.generator_penalties import get_generator_regularizer
from landscape.losses.penalties import get_regularizer
from landscape.networks.build import build
from landscape.networks.conditional import at_labels
from landscape.networks.latents import sample_latents
from landscape.networks.lens import build_lens, squared_change
from landscape.networks.normalizers import couples_samples
from landscape.networks.spectral_norm import advance_spectral_norms

CRITIC_SHARE = 0.02  # of the newest batch in the logged estimate: some 50 steps are averaged


def networks(cfg: Config, channels: int) -> dict[str, nn.Module]:
    """G, D and a lens if there is one, initialized from the run's seed. Raises `UserError` for an unknown name."""
    g, d = build(cfg, channels)
    lens = build_lens(cfg, channels)
    return {"g": g, "d": d} if lens is None else {"g": g, "d": d, "lens": lens}


def rates(cfg: Config) -> dict[str, float]:
    """The learning rate of each network."""
    own = {} if cfg.lens.lr is None else {"lens": cfg.lens.lr}
    return {"g": cfg.optim.lr_g, "d": cfg.optim.lr_d, **own}


def optimizers(modules: dict[str, nn.Module], cfg: Config) -> dict[str, torch.optim.Optimizer]:
    """One optimizer per network, each with its own learning rate."""
    return {name: make_optimizer(modules[name].parameters(), lr, cfg.optim) for name, lr in rates(cfg).items()}


def steps(model: Model, cfg: Config) -> Callable[[Batch], Step]:
    """Returns the function that makes one D update, followed by a G update if one is due."""
    loss, regularizer = get_loss(cfg.loss), get_regularizer(cfg.reg.penalty)
    offset, slope = loss.estimate
    regularizer_g = get_generator_regularizer(cfg.reg_g.penalty)
    g, d, lens = model.modules["g"], model.modules["d"], model.modules.get("lens")
    if lens is not None and loss.lens is None:
        raise UserError(f"loss={cfg.loss.kind} says nothing of a lens; choose lens=none")
    opt_g, opt_d = model.optimizers["g"], model.optimizers["d"]
    streams, counts = model.streams, model.counts
    d_parameters = list(d.parameters())
    every = cfg.reg.every or 1  # lazy (StyleGAN2, arXiv 1912.04958): at each k-th D step, k times as strong
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

    def generate(sampler: nn.Module, z: Tensor) -> Tensor:
        """A forward pass of G."""
        with autocast():
            images: Tensor = sampler(z)
        return images.float()

    def judge(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        """D's loss without its penalty."""
        if loss.mixed is not None:
            mask, share = draw_mask(cfg.train.batch_size, streams["mask"])
            with autocast():
                logits = discriminate(critic, torch.where(mask[:, None, None, None], real, fake))
            return loss.mixed(distributed.gathered(logits.float()), share)
        with autocast():
            if separate_passes:
                logits_real, logits_fake = discriminate(critic, real), discriminate(critic, fake)
            else:
                logits_real, logits_fake = critic(torch.cat([real, fake])).chunk(2)
        return loss.d(logits_real.float(), logits_fake.float())

    def judge_alone(critic: nn.Module, images: Tensor) -> Tensor:
        """D's logits of a batch of one kind, for the update of another network: those that the loss is of."""
        with frozen_statistics(d), autocast():
            logits = discriminate(critic, images)
        return logits.float() if loss.mixed is None else distributed.gathered(logits.float())

    def move_lens(critic: nn.Module, weight: float, change: Tensor, seen_real: Tensor, seen_fake: Tensor) -> Tensor:
        """One update of the lens, with D frozen; `change` is how far it moves images. Returns its loss."""
        assert loss.lens is not None and lens is not None
        freeze(d_parameters, True)
        with torch.no_grad():
            paired = judge_alone(critic, seen_fake) if loss.needs_real_logits else None
        found = weight * loss.lens(judge_alone(critic, seen_real), paired) + change
        model.optimizers["lens"].zero_grad()
        found.backward()
        value = found.detach()
        distributed.average([*(p.grad for p in lens.parameters()), value])
        model.optimizers["lens"].step()
        freeze(d_parameters, False)
        return value

    def step(batch: Batch) -> Step:
        losses: dict[str, Tensor] = {}
        watched: dict[str, Tensor] = {}
        g_follows = generator_moves(model.step, counts["g_step"], counts["since_g"] + 1, cfg.optim)
        set_rates(model, rate_factor(model.step, cfg), cfg)
        noise = instance_noise(model.step, cfg)
        weight = lens_weight(model.step, cfg)

        # Discriminator: real against detached fakes, plus the penalty.
        real, critic, sampler = batch.images, at_labels(d, batch.labels), at_labels(g, batch.labels)
        if lens is not None and weight > 0:
            with autocast():
                real = lens(real)
            real = real.float()
        z = distributed.local_rows(sample_latents(cfg.latent, cfg.train.batch_size, streams["latents"]))
        if g_follows:
            advance_spectral_norms(g)
        with torch.set_grad_enabled(g_follows):
            fake = generate(sampler, z)
        seen_real, seen_fake = (
            add_instance_noise(real, noise, streams["noise"]),
            add_instance_noise(fake, noise, streams["noise"]),
        )
        if regularizer.clamp is not None and cfg.reg.when == "before":
            watched["saturated"] = regularizer.clamp(d, cfg.reg)
        if not by_pass:
            advance_spectral_norms(d)
        with nullcontext() if by_pass else parametrize.cached():  # the penalty reuses the normalized weights
            loss_d = judge(critic, seen_real.detach(), seen_fake.detach())
            estimate = offset + slope * loss_d.detach()  # before the penalty
            if regularizer.term is not None and (model.step - 1) % every == 0:
                if by_pass and regularizer.per_sample:
                    advance_spectral_norms(d)
                with frozen_statistics(d):
                    penalty = regularizer.term(
                        critic, seen_real.detach(), seen_fake.detach(), cfg.reg, streams["penalty"]
                    )
                loss_d = loss_d + every * penalty
        opt_d.zero_grad()
        loss_d.backward()
        losses["loss_d"] = loss_d.detach()
        # If a G step follows, G's graph still needs its statistics.
        moved = distributed.running_statistics(d) if g_follows else distributed.running_statistics(g, d)
        distributed.average([*(p.grad for p in d_parameters), *moved, losses["loss_d"], estimate])
        watched["critic"] = torch.lerp(model.watched.get("critic", estimate), estimate, CRITIC_SHARE)
        opt_d.step()
        if regularizer.clamp is not None and cfg.reg.when == "after":
            watched["saturated"] = regularizer.clamp(d, cfg.reg)
        counts["since_g"] += 1

        # Generator: same latents, D frozen including its buffers.
        if g_follows:
            freeze(d_parameters, True)
            logits_fake = judge_alone(critic, seen_fake)
            with torch.no_grad():
                paired = judge_alone(critic, seen_real) if loss.needs_real_logits else None
            loss_g = loss.g(logits_fake, paired)
            extra = {} if loss.log_extra is None else loss.log_extra(logits_fake.detach())
            if regularizer_g is not None:
                with frozen_statistics(g):
                    penalty, logged = regularizer_g(
                        partial(generate, sampler), z, fake, cfg.reg_g, streams["direction"]
                    )
                loss_g, extra = loss_g + penalty, extra | logged
            opt_g.zero_grad()
            loss_g.backward()
            losses["loss_g"] = loss_g.detach()
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

        if lens is not None:
            watched["lens_weight"], watched["loss_lens"] = torch.tensor(weight), torch.tensor(torch.nan)
            if weight > 0:
                assert cfg.lens.reduce is not None
                change = squared_change(batch.images, real, cfg.lens.reduce)
                watched["loss_lens"] = move_lens(critic, weight, change, seen_real, seen_fake)
        return Step(losses, watched, sampler_moved=g_follows)

    return step


def warnings(model: Model, cfg: Config) -> list[str]:
    """Warnings about legal combinations that make little sense."""
    if couples_samples(model.modules["d"]) and get_regularizer(cfg.reg.penalty).per_sample:
        causes = {
            "batch normalization": cfg.norm.kind == "bn",
            f"arch.minibatch={cfg.arch.minibatch}": cfg.arch.minibatch not in (None, "none"),
            "arch.symmetric=true": cfg.arch.symmetric,
            f"arch.pack={cfg.arch.pack}": (cfg.arch.pack or 1) > 1,
        }
        which = [cause for cause, present in causes.items() if present] or ["a layer"]
        does = "couples" if len(which) == 1 else "couple"
        return [f"the penalty uses per-sample gradients, but {' and '.join(which)} {does} D's samples"]
    return []


def more_streams(cfg: Config) -> tuple[str, ...]:
    """Which images of mixed batches are real; directions in which G's change is measured."""
    mixed, clamped = get_loss(cfg.loss).mixed, get_generator_regularizer(cfg.reg_g.penalty)
    return ("mask",) * (mixed is not None) + ("direction",) * (clamped is not None)


GAN = Algorithm(
    networks,
    optimizers,
    steps,
    sampler="g",
    losses=("loss_d", "loss_g"),
    streams=("latents", "penalty", "noise"),
    counts=("g_step", "since_g"),  # G updates; D updates since the last G update
    warnings=warnings,
    more_streams=more_streams,
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


def draw_mask(n: int, rng: Generator) -> tuple[Tensor, Tensor]:
    """Which images of a mixed batch are real, this device's rows, and their share of the batch of all devices.

    p ~ U[0, 1], then each image is real with probability p (Lucas et al., arXiv 1806.07185; the law of p from memory).
    """
    p = torch.rand(1, generator=rng, device=rng.device)
    mask = torch.rand(n, generator=rng, device=rng.device) < p
    return distributed.local_rows(mask), mask.float().mean()


def add_instance_noise(images: Tensor, std: float, rng: Generator) -> Tensor:
    """Add Gaussian noise of standard deviation `std` to images; returns the images themselves for 0."""
    if std == 0:
        return images
    return images + std * distributed.normal(images.shape, images, rng)


def set_rates(model: Model, factor: float, cfg: Config) -> None:
    """Set the learning rates of this step."""
    if cfg.optim.decay == "none":
        return
    for name, lr in rates(cfg).items():
        for group in model.optimizers[name].param_groups:
            group["lr"] = lr * factor
