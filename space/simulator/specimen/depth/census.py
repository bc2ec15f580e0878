"""How many of each thing there are, by the label of the place."""

from __future__ import annotations

PER_UM3: dict[str, dict[str, float]] = {
    "cell": {"ribosome": 4500.0, "proteasome": 250.0, "fas": 100.0, "vesicle": 5.0},
    "nucleus": {"nucleosome": 16000.0, "proteasome": 800.0},
    "mitos": {"atp_synthase": 2500.0},
    "multivesicles": {"vesicle": 120.0},
}
"""Numbers for each µm³ of a label; labels that are not here hold none.

Yeast: 1.9e5 ribosomes in a cell of 42 µm³ (T. von der Haar, BMC Systems Biology 2 (2008));
1.5e4 to 3e4 proteasomes (S. Russell et al., J. Biol. Chem. 274 (1999)), most of them in and at the
nucleus; a nucleosome for every 165 base pairs of the 1.2e7 in two sets of chromosomes, in 3 to 5
µm³. Numbers of fatty acid synthase, ATP synthase and vesicles are chosen so that some are seen in
each field.
"""

PORES_PER_UM2 = 11.0
"""Of the nuclear envelope (M. Winey et al., Mol. Biol. Cell 8 (1997))."""

FILAMENTS_PER_UM3 = {"microtubule": 1.5, "actin": 12.0}
"""In the label `cell`; chosen, as said above."""

GOLD_PER_UM2 = 1.5
"""On both faces together. A lamella has gold only where somebody put it; here it is a lure."""

FROST_PER_UM2 = 10.0
"""Lumps of ice on each face: water of the vacuum that froze on it."""

ORDER = ("vesicle", "proteasome", "fas", "ribosome", "atp_synthase", "nucleosome")
"""Where two would overlap, the one that stands first here stays: the rare before the frequent.
So some fewer are left than the numbers above say."""
