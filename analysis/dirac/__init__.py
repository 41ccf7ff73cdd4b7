"""The Dirac-GAN, an analytic test bed: vector fields, eigenvalues, trajectories and phase portraits, without torch.

`METHODS` holds the games; `python -m analysis.dirac` draws them.
"""

from analysis.dirac.dynamics import Steps, distance, flow, jacobian, multipliers, trajectory, update, velocity
from analysis.dirac.games import METHODS, Game

__all__ = [
    "METHODS",
    "Game",
    "Steps",
    "distance",
    "flow",
    "jacobian",
    "multipliers",
    "trajectory",
    "update",
    "velocity",
]
