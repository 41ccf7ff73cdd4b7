"""The typed configuration schema: type, legal range and help of every key. No torch.

Defaults are in `conf/` only. Here a key is `MISSING` if every configuration must set it, and `None` if a choice may not
use it. A choice uses the keys in its own YAML file; planning sets the others to null, so that they cannot give one run
several ids.
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
    or_word,
    positive,
)  # fmt: skip
from landscape.scores import EXTRACTORS, OPTIONS, SCORES

T = TypeVar("T")

MAX_SIDE = 1024  # pixels of an image
FIXED = "fixed"  # of `search.seed`
PARTS = ("train", "test", "test_a", "test_b", "all")  # splits of a data set


def key(help: str, range: Legal | None = None, *, default: Any = MISSING) -> Any:
    """A field of a group with its help text and legal range."""
    metadata = {"help": help, "range": range}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def optional(help: str, range: Legal | None = None) -> Any:
    """`key` with default null, for keys that not every choice uses."""
    return key(help, range, default=None)


@dataclass
class Algorithm:
    """Family of models."""

    kind: str = key("family of models and their training step")


@dataclass
class Loss:
    """Adversarial loss."""

    kind: str = key("adversarial loss of D and G; none if the algorithm has no D")


@dataclass
class Reg:
    """Regularizer of D."""

    penalty: str = key("penalty on D, or none")
    strength: float | None = optional("weight of the penalty, for images in [0, 1]", NOT_NEGATIVE)
    every: int | None = optional(
        "D updates from one penalty to the next, which is as many times as strong (lazy regularization)",
        at_least(1, 1_000_000),
    )  # null in old runs: 1
    difference: float | None = optional(
        "standard deviation of the step of R1 as a central difference in a random direction; null: gradient",
        positive(1),
    )
    target: float | None = optional("gradient norm that the penalty pulls towards", NOT_NEGATIVE)
    epsilon: float | None = optional("added under the square root of a gradient norm", NOT_NEGATIVE)
    noise: str | None = optional(
        "convention of DRAGAN's noise", one_of("study", "authors", "authors_sigmoid", "per_pixel", "normal")
    )
    bound: float | None = optional("largest absolute value of a clipped weight", positive())
    norms: bool | None = optional("whether scales and biases of normalizers are also clipped")
    when: str | None = optional("whether weights are clipped before or after each D step", one_of("before", "after"))
    norm: str | None = optional("normalizer set by a shorthand (reg=sn); null once planned")


@dataclass
class Norm:
    """Normalizer of D."""

    kind: str | None = optional("normalizer of D; null: as set by reg (not the same as none)")
    epsilon: float | None = optional("added to a variance or norm before division", positive())
    moves: str | None = optional(
        "when spectral normalization's power iteration runs: once per D update, or in each forward pass (the study)",
        one_of("update", "pass"),
    )


@dataclass
class Arch:
    """Architectures of G and D."""

    kind: str = key("architecture of G and D")
    width: float = key("multiplier of all hidden channel counts", positive(64))
    init_std: float = key("standard deviation of the normal initialization of weights", positive())
    g_norm: str | None = optional("normalization of G", one_of("bn", "none"))
    g_spectral: bool | None = optional("whether G's weights have spectral normalization")
    shortcut: str | None = optional("shortcut of residual blocks", one_of("conv3", "conv1", "identity"))
    pool: str | None = optional("pooling of a residual D's last pixels", one_of("mean", "sum"))
    upsample: str | None = optional("upsampling of a residual G", one_of("zeros", "nearest"))
    conditional: bool | None = optional(
        "whether G and D are given classes: conditional batch norm in G, projection in D"
    )  # null in old runs: false
    minibatch: str | None = optional(
        "features of the batch before D's last layer", one_of("none", "discrimination", "stddev")
    )  # null in old runs: none
    symmetric: bool | None = optional("whether each convolution of D also sees the batch's mean")
    pack: int | None = optional("images that D judges together (PacGAN)", at_least(1, 64))  # null in old runs: 1


@dataclass
class Lens:
    """Lens between real images and D (tempered adversarial networks)."""

    kind: str = key("network between real images and D, or none")
    steps: int | None = optional("D updates until the lens is out; null: half of train.steps", at_least(1))
    reduce: str | None = optional("reduction of a lens's squared change over pixels", one_of("mean", "sum"))
    lr: float | None = optional("learning rate of the lens", positive())
    width: float | None = optional("multiplier of the lens's 32 hidden channels", positive(64))


@dataclass
class Mixing:
    """How D sees a batch."""

    kind: str = key("pure: real and fake images apart; mixed: one batch of both in a random proportion")


@dataclass
class RegG:
    """Regularizer of G."""

    penalty: str = key("penalty on G, or none")
    strength: float | None = optional("weight of G's penalty, for images in [0, 1]", NOT_NEGATIVE)
    low: float | None = optional("least change of G per unit of z that is free, for images in [0, 1]", NOT_NEGATIVE)
    high: float | None = optional("largest change of G per unit of z that is free, for images in [0, 1]", positive())
    epsilon: float | None = optional("length of the step of z", positive())
    per: str | None = optional(
        "whether the change per unit of z is of each sample or of the batch as a whole", one_of("sample", "batch")
    )


@dataclass
class Latent:
    """Latent distribution."""

    dim: int = key("dimension of the latents", at_least(1, 65536))
    dist: str = key("distribution of the latents; uniform is on [-1, 1]", one_of("uniform", "normal"))


@dataclass
class Optim:
    """Optimizers of G and D."""

    kind: str = key("optimizer of D and G")
    lr: float = key("learning rate; default of lr_d and lr_g", positive())
    lr_d: float = key("learning rate of D", positive())
    lr_g: float = key("learning rate of G", positive())
    beta1: float | None = optional("Adam's decay of the mean gradient", FRACTION)
    beta2: float | None = optional("Adam's decay of the mean squared gradient", FRACTION)
    epsilon: float | None = optional("added to the denominator of an update", positive())
    epsilon_form: str | None = optional(
        "Adam's epsilon is added to the root of the bias-corrected second moment (torch) or the uncorrected one (tf)",
        one_of("torch", "tf"),
    )
    n_dis: int = key("D updates per G update (n_critic)", at_least(1))
    alpha: float | None = optional("RMSprop's decay of the mean squared gradient", FRACTION)
    decay: str | None = optional("learning rate decay; linear: to 0 at the end", one_of("none", "linear"))
    burn_in: bool | None = optional("whether to use WGAN's schedule with many D updates at the start")


@dataclass
class Data:
    """Data set."""

    kind: str = key("data set")
    size: int = key("side of the images in pixels", Legal(lambda v: 1 <= v <= MAX_SIDE, f"1 to {MAX_SIDE} pixels"))
    name: str | None = optional("display name of a data set (for folders)", given("a name"))
    path: str | None = optional("folder or file of the data; not part of the run id", given("a folder or a file"))
    test_path: str | None = optional("folder or file of the test images, if separate", given("a folder or a file"))
    test_share: float | None = optional(
        "share of images held out for testing if the files define no split", between(0, 1)
    )
    resize: str | None = optional(
        "how images of another size are resized to data.size; null: they are rejected",
        one_of("crop", "stretch", "crop_or_pad"),
    )
    channels: int | None = optional("color channels of the images", Legal(lambda v: v in (1, 3), "1, 3"))
    content: str | None = optional("digest of pixels, labels and split; filled in at planning")
    classes: int | None = optional(
        "number of classes of a conditional model; filled in at planning", at_least(1, 1_000_000)
    )


@dataclass
class Train:
    """Training length, batch, precision and devices."""

    steps: int = key("training length in D updates", at_least(1))
    batch_size: int = key("batch size", at_least(2, 65536))
    precision: str = key("precision of the networks; losses and penalties are always fp32", one_of("fp32", "bf16"))
    noise_std: float | None = optional(
        "instance noise on D's inputs: initial standard deviation, decays linearly to 0", positive()
    )
    ema: float | None = optional("decay per G update of the moving average (EMA) of G; null: no EMA", FRACTION)
    world_size: int | None = optional(
        "number of devices that split each batch, on one machine; part of the run id", at_least(1, 1024)
    )  # null in old runs: one
    sync_bn: bool | None = optional("whether batch norm computes its statistics over all devices")
    bn_variance: str | None = optional(
        "batch variance that batch norm's running variance averages (used at inference only)",
        one_of("unbiased", "population"),
    )


def with_options(group: type[T]) -> type[T]:
    """Class decorator: add the options of all scores as fields."""
    for name, option in OPTIONS.items():
        group.__annotations__[name] = type(option.neutral) | None
        setattr(group, name, optional(option.help, option.range))
    return group


@dataclass
@with_options
class Metrics:
    """Scores and how they are computed."""

    scores: list[str] = key(
        "scores to compute; fid: the Frechet distance of the extractor's features",
        listed_of(*SCORES),
        default=[],
    )
    every: int | None = optional("D updates between evaluations; the first is at 0, the last at the end", at_least(1))
    extractor: str | None = optional("feature extractor; points: 2-D points themselves", one_of(*EXTRACTORS))
    extractor_seed: int | None = optional("seed of the classifier's training", SEED)
    real: str | None = optional("split of real images that samples are compared with", one_of(*PARTS))
    n_fake: int | None = optional("number of samples; null: as many as real images", at_least(2, 10_000_000))
    quantise: str | None = optional(
        "uint8: samples are rounded to 256 levels, as torch-fidelity expects; float: they are not (the study)",
        one_of("uint8", "float"),
    )
    seed: int | None = optional("seed of the latents, shared by all evaluations", SEED)
    is_splits: int | None = optional("number of splits that IS is averaged over", at_least(1))
    weights: str | None = optional("file of the extractor's weights; not part of any id", given("a file"))
    weights_sha256: str | None = optional("SHA-256 of metrics.weights; set at planning")
    pairs_per_class: int | None = optional(
        "images per predicted class from which MS-SSIM forms pairs", at_least(2, 1_000_000)
    )
    ms_ssim_pairs: str | None = optional(
        "image pairs of MS-SSIM; batches: as in the study, for single-class data; null: within_class",
        one_of("within_class", "batches"),
    )


@dataclass
class Checkpoint:
    """Checkpoints."""

    every_s: float = key("seconds of wall time between checkpoints", Legal(lambda v: v >= 0, "0 or more seconds"))
    keep: str = key("what is kept at the end; all: also the checkpoint, for longer runs", one_of("weights", "all"))


@dataclass
class Stop:
    """Rules that end a collapsed run early, with status "stopped". Null: off."""

    factor: float | None = optional("stop a run if its FID exceeds its best FID by this factor", above(1))
    loss_d: float | None = optional("stop a run if D's loss is between 0 and this (D is saturated)", NOT_NEGATIVE)
    evaluations: int | None = optional("consecutive evaluations at which a rule must hold", at_least(1))


@dataclass
class Launcher:
    """Where and with which resources runs are trained."""

    kind: str = key("where runs are trained")
    jobs: int | str | None = optional(
        "concurrent runs; null: cores / threads, or the number of GPUs; auto: as many as fit into memory, too",
        or_word(at_least(1, 1024), "auto"),
    )
    warm: bool | None = optional("fork workers from a process that has loaded torch; null: only without a GPU")
    price: float | None = optional("price per GPU hour, or per core hour without a GPU", NOT_NEGATIVE)
    partition: str | None = optional("partition of a job")
    account: str | None = optional("account of a job")
    qos: str | None = optional("quality of service of a job")
    time: str | None = optional("time limit of a job", TIME)
    memory: str | None = optional("memory of a job", MEMORY)
    cores: int | None = optional("cores of a job; null: threads times concurrent runs", at_least(1, 65536))
    gpus: int | None = optional("GPUs of a job", at_least(0, 1024))
    constraint: str | None = optional("required node features of a job")
    setup: list[str] = key("shell lines that a job executes before its runs", default=[])
    extra: list[str] = key("further options of sbatch", default=[])
    runs_per_job: int | None = optional("runs per job", at_least(1, 100_000))
    at_once: int | str | None = optional(
        "concurrent runs in a job; auto: as many as fit into its memory and cores", or_word(at_least(1, 1024), "auto")
    )
    parallel: int | None = optional("concurrent jobs of an array", at_least(1))
    classes: list[Any] = key("resources that differ for some runs: {when: {KEY: VALUE}, ...}", default=[])
    max_submit: int | None = optional("most jobs in the queue at a time", at_least(1))
    signal_s: int | None = optional("seconds before the time limit at which runs are told to save", at_least(1))


@dataclass
class Logger:
    """Experiment tracker."""

    kind: str = key("experiment tracker that runs are mirrored to")
    mode: str | None = optional("whether wandb uploads during a run", one_of("offline", "online"))
    project: str | None = optional("project of the mirrored runs", given("a name"))
    entity: str | None = optional("wandb user or team; null: your default")


@dataclass
class Preset:
    """Facts about a published recipe."""

    fid: float | None = optional("FID reported by the recipe's source (Inception features, its own protocol)")


@dataclass
class Study:
    """A named grid of runs."""

    title: str | None = optional("title of the study")
    overrides: list[str] = key("the grid, in Hydra's override grammar, axes included", default=[])
    together: list[Any] = key("joint axes: each a list of {KEY: VALUE, ...}", default=[])
    exclude: list[dict[str, Any]] = key("choices or values whose runs are excluded", default=[])


@dataclass
class Range:
    """Range of a searched parameter."""

    low: float = key("lowest value")
    high: float = key("highest value")
    log: bool = key("whether values are sampled log-uniformly")


def searched(help: str, ends: Legal) -> Any:
    """A field for a searched parameter. `ends` is the legal range of `low` and `high`."""
    return field(default_factory=Range, metadata={"help": help, "range": ends})


@dataclass
class Space:
    """Ranges of the searched parameters. Null: not searched."""

    lr: Range | None = searched("learning rate", positive())
    strength: Range | None = searched("weight of the penalty", positive())
    strength_l2: Range | None = searched("weight of an l2 penalty", positive())
    beta1: Range | None = searched("Adam's decay of the mean gradient", FRACTION)
    beta2: Range | None = searched("Adam's decay of the mean squared gradient", FRACTION)


@dataclass
class Search:
    """A search in each cell of the grid, in addition to the grid."""

    kind: str = key("sampler of the search, or none")
    trials: int = key("trials per cell", at_least(1, 1_000_000))
    seed: str = key(
        "seed of the search and of the seeds of its trials; fixed: 0, and one seed for all trials of a cell",
        Legal(lambda v: v == FIXED or (v.isdecimal() and SEED.test(int(v))), f"{SEED.words}, or {FIXED}"),
    )
    seeds: int = key("seeds per trial, whose value is the median of their runs", at_least(1, 1000))
    startup: int = key("random trials before the sampler uses its model", at_least(1, 1_000_000))
    rounds: int | None = optional(
        "number of equal batches of trials; each is completed before the next is proposed; null: asynchronous",
        at_least(1, 1_000_000),
    )
    grid: bool = key("whether the sampler starts from the grid's finished runs")
    pruner: str = key("pruner that stops trials early", one_of("none", "asha", "hyperband", "median"))
    grace: int = key("evaluations before a run may be pruned", at_least(1))
    storage: str = key(
        "storage of trials: sqlite on one machine, journal on a shared disk, or a database URL",
        matching(
            r"sqlite|journal|(postgresql|mysql|mariadb)(\+\w+)?://.+",
            "sqlite, journal, or a URL such as postgresql://user@host/name",
        ),
    )
    space: Space = field(default_factory=Space)


@dataclass
class Confirm:
    """Final stage: train the best settings again with new seeds, and score them with new latents and real images."""

    top: int = key("settings per cell to confirm", at_least(1, 10_000))
    seeds: int = key("seeds per setting", at_least(1, 10_000))
    first_seed: int = key("first seed; seeds that the sweep has used are skipped", SEED)
    metrics_seed: int = key("seed of the latents used for scoring", SEED)
    real: str | None = optional(
        "split of real images used for scoring; null: images that were not used for selection", one_of(*PARTS)
    )


@dataclass
class Config:
    """Configuration of a run."""

    algorithm: Algorithm = field(default_factory=Algorithm)
    loss: Loss = field(default_factory=Loss)
    reg: Reg = field(default_factory=Reg)
    norm: Norm = field(default_factory=Norm)
    arch: Arch = field(default_factory=Arch)
    lens: Lens = field(default_factory=Lens)
    batch: Mixing = field(default_factory=Mixing)
    reg_g: RegG = field(default_factory=RegG)
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
    seed: int = key("seed of all random streams of a run", SEED)
    repeat: int = key("number of a repetition of the same run, to measure nondeterminism; seeds nothing", SEED)
    device: str = key("device of a run", matching(r"auto|cpu|cuda(:\d+)?", "auto, cpu, cuda or cuda:N"))
    store: str = key("output folder of runs, sweeps and caches", given("a folder"))
    threads: int = key("CPU threads per run", at_least(1, 1024))


@dataclass
class Schema(Config):
    """The composed configuration: a run's configuration plus the sweep-level keys, which runs do not see."""

    search: Search = field(default_factory=Search)
    confirm: Confirm = field(default_factory=Confirm)
    stage: str = key("stage of a sweep; all: the grid, then the search", one_of("all", "grid", "search", "confirm"))
    canary: str = key(
        "whether a run of each shape is tried in small first; auto: where that is little beside the sweep",
        one_of("auto", "on", "off"),
    )
    max_points: int = key("largest number of grid points; larger grids are rejected")


def typed(frozen: dict[str, Any]) -> Config:
    """A frozen configuration (nested dictionaries) as dataclasses. Raises omegaconf's error for an unknown key or wrong
    type.

    Axes that an old run lacks have their plain value.
    """
    plain = OmegaConf.from_dotlist([f"{axis.keys[-1]}={axis.plain}" for axis in axes.ADDED if axis.group])
    return cast(Config, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), plain, frozen)))
