"""A laboratory of closed forms: simulated points on exact curves, a panel for each idea, without torch.

`PANELS` holds the panels; `python -m analysis.lab` draws them all on one page.
"""

from analysis.lab.panel import Check, Panel
from analysis.lab.registry import PANELS

__all__ = ["PANELS", "Check", "Panel"]
