"""Which panels there are, in the order of the page. A new one is a module with a `PANEL` and a place here."""

from __future__ import annotations

from analysis.lab import (
    batches,
    blur,
    clipping,
    contrastive,
    costs,
    elbo_gap,
    fields,
    lens,
    lines,
    momentum,
    rate_distortion,
    reinforce,
    reparametrize,
    saddle,
    transport,
)
from analysis.lab.panel import Panel

MODULES = (
    *(saddle, fields, momentum, lens),  # how games move
    *(costs, lines, clipping, batches),  # what a discriminator or critic tells
    *(transport, contrastive, reinforce, reparametrize),  # densities and gradients
    *(rate_distortion, elbo_gap, blur),  # autoencoders
)
PANELS: dict[str, Panel] = {module.PANEL.key: module.PANEL for module in MODULES}
