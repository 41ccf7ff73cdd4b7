"""The typed schema of a run's configuration: every key, its type and its legal range. No defaults, no torch.

Defaults live in `conf/` and nowhere else; here a key is `MISSING` where every composition must set it and
`None` where a choice may not use it. A choice uses the keys that its own YAML file mentions; the others
become null when a run is planned, so that they cannot split one run into several.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from omegaconf import MISSING, OmegaConf


@dataclass
class Loss:
    kind: str = MISSING


@dataclass
class Reg:
    penalty: str = MISSING
    strength: float | None = None  # factor of the penalty, for images in [0, 1]
    target: float | None = None  # the gradient norm that a penalty pulls towards
    epsilon: float | None = None  # added under a square root
    noise: str | None = None  # DRAGAN's convention
    bound: float | None = None  # of clipped weights
    norms: bool | None = None  # whether scales and offsets of normalizers are clipped too
    when: str | None = None  # weights are clipped before or after each D step
    norm: str | None = None  # the normalizer that a shorthand (reg=sn) also means; null once planned


@dataclass
class Norm:
    kind: str | None = None  # null: not asked for, which is not the same as "none"
    epsilon: float | None = None


@dataclass
class Arch:
    kind: str = MISSING
    width: float = MISSING  # multiplies every hidden channel count
    init_std: float = MISSING  # standard deviation of the normal initialisation of weights
    g_norm: str | None = None  # the generator's normalization: bn or none
    g_spectral: bool | None = None  # spectral normalization of the generator's weights
    shortcut: str | None = None  # of residual blocks: conv3, conv1 or identity
    pool: str | None = None  # of a residual discriminator's last pixels: mean or sum
    upsample: str | None = None  # of a residual generator: zeros or nearest


@dataclass
class Latent:
    dim: int = MISSING
    dist: str = MISSING  # uniform on [-1, 1], or normal


@dataclass
class Optim:
    kind: str = MISSING
    lr: float = MISSING  # what lr_d and lr_g follow unless given
    lr_d: float = MISSING
    lr_g: float = MISSING
    beta1: float | None = None
    beta2: float | None = None
    epsilon: float | None = None
    n_dis: int = MISSING  # D updates to a G update
    alpha: float | None = None  # RMSprop's smoothing
    decay: str | None = None  # of the rates: none, or linear to 0 at the end
    burn_in: bool | None = None  # WGAN's schedule of D updates


@dataclass
class Data:
    kind: str = MISSING
    size: int = MISSING  # side of the images in pixels
    name: str | None = None  # what reports call a data set whose kind says little (a folder)
    path: str | None = None  # where its files are; no part of a run's id
    test_path: str | None = None  # where its test images are, if elsewhere
    test_share: float | None = None  # of the images, drawn for testing where the files name no split
    resize: str | None = None  # how images of another size are brought to `size`; null: they are refused
    channels: int | None = None  # 1 or 3
    content: str | None = None  # digest of pixels, labels and split; filled in at planning


@dataclass
class Train:
    steps: int = MISSING  # D updates
    batch_size: int = MISSING
    precision: str = MISSING  # fp32 or bf16
    noise_std: float | None = None  # instance noise on D's inputs at the start, falling linearly to 0
    ema: float | None = None  # decay of the average of G's weights, a G update; null: no average
    world_size: int | None = None  # processes that share each batch, on one machine; null (runs of old): one
    sync_bn: bool | None = None  # whether batch norm takes its statistics over all of them


@dataclass
class Metrics:
    scores: list[str] = field(default_factory=list)
    every: int | None = None  # D updates between evaluations; the first is at 0, the last at the end
    extractor: str | None = None
    extractor_seed: int | None = None
    real: str | None = None  # which real images: train, test or all
    n_fake: int | None = None  # null: as many as there are real ones
    quantise: str | None = None  # uint8 (as torch-fidelity takes images) or float (as the study did)
    seed: int | None = None  # of the latents, the same for every evaluation
    is_splits: int | None = None
    weights: str | None = None  # a file of the extractor's weights; no part of any id
    weights_sha256: str | None = None  # of that file; filled in at planning
    kid_subsets: int | None = None
    kid_subset_size: int | None = None  # images of either side
    pairs_per_class: int | None = None  # images of one predicted class that MS-SSIM pairs up
    prd_clusters: int | None = None
    prd_angles: int | None = None  # points of the precision-recall curve
    prd_runs: int | None = None  # clusterings that are averaged
    jacobians: int | None = None  # latents at which the generator's conditioning is measured
    geometry_landmarks: int | None = None
    geometry_gamma: float | None = None  # alpha_max over the largest distance of a point to a landmark
    geometry_holes: int | None = None  # length of the MRLT
    geometry_draws: int | None = None  # of landmarks
    geometry_points: int | None = None  # images at most, of either side
    birthday_samples: int | None = None
    birthday_share: float | None = None  # of the distance between nearest real images: closer is a duplicate
    birthday_space: str | None = None  # features or pixels
    neighbours: int | None = None  # samples whose nearest training images are looked for
    ms_ssim_pairs: str | None = None  # within_class, or batches (the study's); null: within_class


@dataclass
class Checkpoint:
    every_s: float = MISSING  # seconds of wall time between checkpoints
    keep: str = MISSING  # at the end: weights, or all (the optimizers and random streams too)


@dataclass
class Stop:
    """Rules that end a collapsed run early, with status "stopped"; null: never."""

    factor: float | None = None  # the distance is above this many times the run's best ...
    loss_d: float | None = None  # or D's loss is between 0 and this: it has nothing left to learn from ...
    evaluations: int | None = None  # ... at so many evaluations in a row


@dataclass
class Launcher:
    kind: str = MISSING
    jobs: int | None = None  # runs at once; null: as many as cores / threads, or GPUs
    warm: bool | None = None  # fork workers from a process that has loaded torch; null: where no GPU is used
    price: float | None = None  # of an hour of a GPU, or of a core where none is used; for plans to multiply
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: str | None = None  # of a job: minutes, or [days-]hours:minutes:seconds
    memory: str | None = None  # of a job: 4G, 500M
    cores: int | None = None  # of a job; null: threads for each run at once
    gpus: int | None = None  # of a job
    constraint: str | None = None
    setup: list[str] = field(default_factory=list)  # shell lines before the runs
    extra: list[str] = field(default_factory=list)  # further options of sbatch
    runs_per_job: int | None = None  # in all
    at_once: int | None = None  # of these, side by side
    parallel: int | None = None  # jobs of one array that may run at once
    classes: list[Any] = field(default_factory=list)  # {when: {key: value}, ...}: other resources for some runs
    max_submit: int | None = None  # jobs that may be queued at once
    signal_s: int | None = None  # seconds before a job's end at which its runs are told to save


@dataclass
class Logger:
    kind: str = MISSING
    mode: str | None = None  # offline or online
    project: str | None = None
    entity: str | None = None  # the user or team that the project belongs to; null: the user's own


@dataclass
class Preset:
    fid: float | None = None  # what its source reports, on Inception features and under the source's protocol


@dataclass
class Study:
    title: str | None = None
    overrides: list[str] = field(default_factory=list)  # in Hydra's override grammar, axes included
    together: list[Any] = field(default_factory=list)  # joint axes: each a list of {key: value, ...}
    exclude: list[dict[str, Any]] = field(default_factory=list)  # choices or values that drop a cell


@dataclass
class Range:
    low: float = MISSING
    high: float = MISSING
    log: bool = MISSING  # drawn evenly in the logarithm


@dataclass
class Space:
    """Ranges of what a search varies; null: not varied."""

    lr: Range | None = field(default_factory=Range)
    strength: Range | None = field(default_factory=Range)
    strength_l2: Range | None = field(default_factory=Range)  # where the penalty is l2
    beta1: Range | None = field(default_factory=Range)
    beta2: Range | None = field(default_factory=Range)


@dataclass
class Search:
    """A search in each cell of the grid, beside it."""

    kind: str = MISSING  # none, gp, tpe, random or qmc
    trials: int = MISSING  # a cell
    seed: int = MISSING
    startup: int = MISSING  # trials at random before a model is asked
    rounds: int | None = None  # equal batches, each told whole before the next is asked; null: no waiting
    grid: bool = MISSING  # tell the model the grid's finished runs first
    pruner: str = MISSING  # none, asha, hyperband or median
    grace: int = MISSING  # evaluations that a pruner leaves to every run
    storage: str = MISSING  # sqlite, journal, or the URL of a PostgreSQL or MySQL data base
    space: Space = field(default_factory=Space)


@dataclass
class Confirm:
    """The last stage: the best settings again, on what did not choose them."""

    top: int = MISSING  # settings a cell
    seeds: int = MISSING  # runs a setting
    first_seed: int = MISSING  # the first of them; seeds that the sweep has used are passed over
    metrics_seed: int = MISSING  # of the latents
    real: str | None = None  # null: the real images that did not choose


@dataclass
class Config:
    loss: Loss = field(default_factory=Loss)
    reg: Reg = field(default_factory=Reg)
    norm: Norm = field(default_factory=Norm)
    arch: Arch = field(default_factory=Arch)
    latent: Latent = field(default_factory=Latent)
    optim: Optim = field(default_factory=Optim)
    data: Data = field(default_factory=Data)
    train: Train = field(default_factory=Train)
    metrics: Metrics = field(default_factory=Metrics)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    launcher: Launcher = field(default_factory=Launcher)
    logger: Logger = field(default_factory=Logger)
    preset: Preset = field(default_factory=Preset)
    study: Study = field(default_factory=Study)
    stop: Stop = field(default_factory=Stop)
    seed: int = MISSING
    repeat: int = MISSING  # feeds no random stream: equal runs under other ids, to see how far they differ
    device: str = MISSING  # auto, cpu, cuda or cuda:N
    store: str = MISSING
    threads: int = MISSING  # CPU threads of a run


@dataclass
class Schema(Config):
    """What `conf/` composes: a run's configuration, and what a sweep is asked that its runs do not know of."""

    search: Search = field(default_factory=Search)
    confirm: Confirm = field(default_factory=Confirm)
    stage: str = MISSING  # all (grid and search), grid, search or confirm
    max_points: int = MISSING  # of a grid


def typed(frozen: dict[str, Any]) -> Config:
    """A frozen configuration (plain dictionaries) as typed objects; an unknown key or a wrong type raises."""
    return cast(Config, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), frozen)))
