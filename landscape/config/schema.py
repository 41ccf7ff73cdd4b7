"""The typed schema of a run's configuration: each key with its type, its legal range and a line of help. No torch.

Defaults live in `conf/` and nowhere else; here a key is `MISSING` where every composition must set it and
`None` where a choice may not use it. A choice uses the keys that its own YAML file mentions; the others
become null when a run is planned, so that they cannot split one run into several.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from omegaconf import MISSING, OmegaConf

from landscape.config import axes
from landscape.ranges import (
    FRACTION,
    MEMORY,
    NOT_NEGATIVE,
    SEED,
    TIME,
    Legal,
    above,
    at_least,
    between,
    given,
    listed_of,
    matching,
    one_of,
    positive,
)  # fmt: skip
from landscape.scores import EXTRACTORS, OPTIONS, SCORES

T = TypeVar("T")

MOST_SIDE = 1024  # pixels of an image
FIXED = "fixed"  # of `search.seed`
PARTS = ("train", "test", "test_a", "test_b", "all")  # of a data set


def key(help: str, range: Legal | None = None, *, default: Any = MISSING) -> Any:
    """A field of a group: what the key means, in a line, and its legal range beside its type."""
    metadata = {"help": help, "range": range}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def optional(help: str, range: Legal | None = None) -> Any:
    """`key`, null where a choice does not use it."""
    return key(help, range, default=None)


@dataclass
class Algorithm:
    kind: str = key("family of models: what is trained, and how a step moves it")


@dataclass
class Loss:
    kind: str = key("adversarial loss of D and G; none where an algorithm has no D")


@dataclass
class Reg:
    penalty: str = key("penalty on D, or none")
    strength: float | None = optional("factor of the penalty, for images in [0, 1]", NOT_NEGATIVE)
    target: float | None = optional("gradient norm that the penalty pulls towards", NOT_NEGATIVE)
    epsilon: float | None = optional("added under the square root of a gradient norm", NOT_NEGATIVE)
    noise: str | None = optional(
        "convention of DRAGAN's noise", one_of("study", "authors", "authors_sigmoid", "per_pixel", "normal")
    )
    bound: float | None = optional("largest absolute value of a clipped weight", positive())
    norms: bool | None = optional("whether scales and offsets of normalizers are clipped too")
    when: str | None = optional("whether weights are clipped before or after each D step", one_of("before", "after"))
    norm: str | None = optional("normalizer that a shorthand (reg=sn) also means; null once planned")


@dataclass
class Norm:
    kind: str | None = optional("normalizer of D; null: what reg says, which is not the same as none")
    epsilon: float | None = optional("added to a variance, or to a norm, before dividing by it", positive())
    moves: str | None = optional(
        "when spectral normalization's power iteration moves: once a D update, or at each pass of D (the study)",
        one_of("update", "pass"),
    )


@dataclass
class Arch:
    kind: str = key("architecture of G and D")
    width: float = key("factor of every hidden channel count", positive(64))
    init_std: float = key("standard deviation of the normal initialization of weights", positive())
    g_norm: str | None = optional("normalization of G", one_of("bn", "none"))
    g_spectral: bool | None = optional("whether G's weights have spectral normalization")
    shortcut: str | None = optional("shortcut of residual blocks", one_of("conv3", "conv1", "identity"))
    pool: str | None = optional("pooling of a residual D's last pixels", one_of("mean", "sum"))
    upsample: str | None = optional("upsampling of a residual G", one_of("zeros", "nearest"))


@dataclass
class Latent:
    dim: int = key("dimension of the latents", at_least(1, 65536))
    dist: str = key("distribution of the latents; uniform is on [-1, 1]", one_of("uniform", "normal"))


@dataclass
class Optim:
    kind: str = key("optimizer of D and G")
    lr: float = key("learning rate, which lr_d and lr_g follow unless given", positive())
    lr_d: float = key("learning rate of D", positive())
    lr_g: float = key("learning rate of G", positive())
    beta1: float | None = optional("Adam's decay of the mean gradient", FRACTION)
    beta2: float | None = optional("Adam's decay of the mean squared gradient", FRACTION)
    epsilon: float | None = optional("added to the denominator of a step", positive())
    epsilon_form: str | None = optional(
        "what Adam's epsilon is added to: the root of the mean square with its bias corrected (torch) or not (tf)",
        one_of("torch", "tf"),
    )
    n_dis: int = key("D updates for each G update", at_least(1))
    alpha: float | None = optional("RMSprop's decay of the mean squared gradient", FRACTION)
    decay: str | None = optional("decay of the learning rates; linear: to 0 at the end", one_of("none", "linear"))
    burn_in: bool | None = optional("whether D's first updates are as many as in WGAN's schedule")


@dataclass
class Data:
    kind: str = key("data set")
    size: int = key("side of the images in pixels", Legal(lambda v: 1 <= v <= MOST_SIDE, f"1 to {MOST_SIDE} pixels"))
    name: str | None = optional("what reports call a data set whose kind says little (a folder)", given("a name"))
    path: str | None = optional("where its files are; not part of a run's id", given("a folder or a file"))
    test_path: str | None = optional("where its test images are, if elsewhere", given("a folder or a file"))
    test_share: float | None = optional(
        "share of the images drawn for testing where the files name no split", between(0, 1)
    )
    resize: str | None = optional(
        "how images of another size are brought to data.size; null: they are refused",
        one_of("crop", "stretch", "crop_or_pad"),
    )
    channels: int | None = optional("color channels of the images", Legal(lambda v: v in (1, 3), "1, 3"))
    content: str | None = optional("digest of pixels, labels and split; filled in at planning")


@dataclass
class Train:
    steps: int = key("D updates of a run", at_least(1))
    batch_size: int = key("images of a batch", at_least(2, 65536))
    precision: str = key("bf16 is for the networks, not for losses and penalties", one_of("fp32", "bf16"))
    noise_std: float | None = optional("instance noise on D's inputs at the start, falling linearly to 0", positive())
    ema: float | None = optional("decay, a G update, of the average of G's weights; null: no average", FRACTION)
    world_size: int | None = optional(
        "devices that share each batch, on one machine; part of a run's id", at_least(1, 1024)
    )  # null in runs of old: one
    sync_bn: bool | None = optional("whether batch norm takes its statistics over all devices")
    bn_variance: str | None = optional(
        "batch's variance that batch norm's running one follows; only inference uses it",
        one_of("unbiased", "population"),
    )


def with_options(group: type[T]) -> type[T]:
    """The options of all scores as further fields."""
    for name, option in OPTIONS.items():
        group.__annotations__[name] = type(option.neutral) | None
        setattr(group, name, optional(option.help, option.range))
    return group


@dataclass
@with_options
class Metrics:
    scores: list[str] = key(
        "scores of an evaluation; fid: the Frechet distance, on whichever extractor", listed_of(*SCORES), default=[]
    )
    every: int | None = optional("D updates between evaluations; the first is at 0, the last at the end", at_least(1))
    extractor: str | None = optional("network, or points, whose features are scored", one_of(*EXTRACTORS))
    extractor_seed: int | None = optional("seed of the classifier's training", SEED)
    real: str | None = optional("real images that samples are compared with", one_of(*PARTS))
    n_fake: int | None = optional("samples of an evaluation; null: as many as real images", at_least(2, 10_000_000))
    quantise: str | None = optional(
        "uint8: samples are rounded to whole levels, as torch-fidelity takes images; float: they are not (the study)",
        one_of("uint8", "float"),
    )
    seed: int | None = optional("seed of the latents, the same for every evaluation", SEED)
    is_splits: int | None = optional("splits of the samples that IS is averaged over", at_least(1))
    weights: str | None = optional("file of the extractor's weights; not part of any id", given("a file"))
    weights_sha256: str | None = optional("digest of that file; filled in at planning")
    pairs_per_class: int | None = optional(
        "images of one predicted class that MS-SSIM pairs up", at_least(2, 1_000_000)
    )
    ms_ssim_pairs: str | None = optional(
        "pairs that MS-SSIM compares; batches: the study's, for data of one kind; null: within_class",
        one_of("within_class", "batches"),
    )


@dataclass
class Checkpoint:
    every_s: float = key("seconds of wall time between checkpoints", Legal(lambda v: v >= 0, "0 or more seconds"))
    keep: str = key("what is kept at the end; all: optimizers and random streams too", one_of("weights", "all"))


@dataclass
class Stop:
    """Rules that end a collapsed run early, with status "stopped"; null: never."""

    factor: float | None = optional("a run stops while its distance is above this many times its best", above(1))
    loss_d: float | None = optional(
        "a run stops while D's loss is between 0 and this: it has nothing left to learn from", NOT_NEGATIVE
    )
    evaluations: int | None = optional("evaluations in a row at which a rule must hold", at_least(1))


@dataclass
class Launcher:
    kind: str = key("where runs are trained")
    jobs: int | None = optional("runs at once; null: as many as cores / threads, or GPUs", at_least(1, 1024))
    warm: bool | None = optional("fork workers from a process that has loaded torch; null: where no GPU is used")
    price: float | None = optional("price of an hour of a GPU, or of a core where none is used", NOT_NEGATIVE)
    partition: str | None = optional("partition of a job")
    account: str | None = optional("account of a job")
    qos: str | None = optional("quality of service of a job")
    time: str | None = optional("time limit of a job", TIME)
    memory: str | None = optional("memory of a job", MEMORY)
    cores: int | None = optional("cores of a job; null: threads for each run at once", at_least(1, 65536))
    gpus: int | None = optional("GPUs of a job", at_least(0, 1024))
    constraint: str | None = optional("node features that a job needs")
    setup: list[str] = key("shell lines of a job before its runs", default=[])
    extra: list[str] = key("further options of sbatch", default=[])
    runs_per_job: int | None = optional("runs of a job", at_least(1, 100_000))
    at_once: int | None = optional("runs of a job side by side", at_least(1, 1024))
    parallel: int | None = optional("jobs of an array that may run at once", at_least(1))
    classes: list[Any] = key("other resources for some runs: {when: {KEY: VALUE}, ...}", default=[])
    max_submit: int | None = optional("jobs that may be queued at once", at_least(1))
    signal_s: int | None = optional("seconds before a job's end at which its runs are told to save", at_least(1))


@dataclass
class Logger:
    kind: str = key("where runs are mirrored to")
    mode: str | None = optional("whether wandb uploads as a run goes on", one_of("offline", "online"))
    project: str | None = optional("project of the mirrored runs", given("a name"))
    entity: str | None = optional("user or team that the project belongs to; null: the user's own")


@dataclass
class Preset:
    fid: float | None = optional("FID that the recipe's source reports, on Inception and under its own protocol")


@dataclass
class Study:
    title: str | None = optional("title of the study")
    overrides: list[str] = key("the grid, in Hydra's override grammar, axes included", default=[])
    together: list[Any] = key("joint axes: each a list of {KEY: VALUE, ...}", default=[])
    exclude: list[dict[str, Any]] = key("choices or values that drop a cell", default=[])


@dataclass
class Range:
    low: float = key("lowest value")
    high: float = key("highest value")
    log: bool = key("whether values are drawn evenly in the logarithm")


def searched(help: str, ends: Legal) -> Any:
    """What a search varies; `ends` is the legal range of `low` and `high`."""
    return field(default_factory=Range, metadata={"help": help, "range": ends})


@dataclass
class Space:
    """Ranges of what a search varies; null: not varied."""

    lr: Range | None = searched("learning rate", positive())
    strength: Range | None = searched("factor of the penalty", positive())
    strength_l2: Range | None = searched("factor of the penalty where it is l2", positive())
    beta1: Range | None = searched("Adam's decay of the mean gradient", FRACTION)
    beta2: Range | None = searched("Adam's decay of the mean squared gradient", FRACTION)


@dataclass
class Search:
    """A search in each cell of the grid, beside it."""

    kind: str = key("sampler of the search, or none")
    trials: int = key("trials of a cell", at_least(1, 1_000_000))
    seed: str = key(
        "seed of the search, and so of each trial's run; fixed: 0, and all trials of a cell with the seed of its grid",
        Legal(lambda v: v == FIXED or (v.isdecimal() and SEED.test(int(v))), f"{SEED.words}, or {FIXED}"),
    )
    startup: int = key("trials at random before a model is asked", at_least(1, 1_000_000))
    rounds: int | None = optional(
        "equal batches of trials, each told whole before the next is asked; null: no waiting", at_least(1, 1_000_000)
    )
    grid: bool = key("whether the model is told the grid's finished runs first")
    pruner: str = key("rule that ends trials early", one_of("none", "asha", "hyperband", "median"))
    grace: int = key("evaluations that the pruner leaves to every run", at_least(1))
    storage: str = key(
        "where trials are kept: sqlite on one machine, journal on a shared disk, or a database",
        matching(
            r"sqlite|journal|(postgresql|mysql|mariadb)(\+\w+)?://.+",
            "sqlite, journal, or a URL such as postgresql://user@host/name",
        ),
    )
    space: Space = field(default_factory=Space)


@dataclass
class Confirm:
    """The last stage: the best settings again, on what did not choose them."""

    top: int = key("settings of a cell to confirm", at_least(1, 10_000))
    seeds: int = key("runs of a setting", at_least(1, 10_000))
    first_seed: int = key("first of their seeds; seeds that the sweep has used are passed over", SEED)
    metrics_seed: int = key("seed of the latents of their scores", SEED)
    real: str | None = optional("real images of their scores; null: those that did not choose", one_of(*PARTS))


@dataclass
class Config:
    algorithm: Algorithm = field(default_factory=Algorithm)
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
    seed: int = key("seed of all of a run's random streams", SEED)
    repeat: int = key("tells equal runs apart, to see how far they differ; feeds no random stream", SEED)
    device: str = key("where a run is trained", matching(r"auto|cpu|cuda(:\d+)?", "auto, cpu, cuda or cuda:N"))
    store: str = key("folder of all that is kept", given("a folder"))
    threads: int = key("CPU threads of a run", at_least(1, 1024))


@dataclass
class Schema(Config):
    """What `conf/` composes: a run's configuration, and what a sweep is asked that its runs do not know of."""

    search: Search = field(default_factory=Search)
    confirm: Confirm = field(default_factory=Confirm)
    stage: str = key("part of a sweep; all: the grid, then its search", one_of("all", "grid", "search", "confirm"))
    max_points: int = key("points of a grid, at most; one with more is refused")


def typed(frozen: dict[str, Any]) -> Config:
    """A frozen configuration (plain dictionaries) as typed objects; an unknown key or a wrong type raises.

    A choice that runs of old do not tell, as its axis came later, is the plain one.
    """
    plain = OmegaConf.from_dotlist([f"{axis.keys[-1]}={axis.plain}" for axis in axes.ADDED if axis.group])
    return cast(Config, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), plain, frozen)))
