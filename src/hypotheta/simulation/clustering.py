"""Jets: anti-k_t by FastJet, all events of a batch in one call."""

import awkward as ak
import numpy as np

from hypotheta.simulation.backends import require
from hypotheta.simulation.particles import Particles

__all__ = ["anti_kt"]


def anti_kt(particles: Particles, *, radius: float, pt_min: float) -> Particles:
    """Cluster the particles of each event with anti-k_t (Cacciari, Salam, Soyez, JHEP 04 (2008) 063).

    Args:
        particles: what is clustered, with energies (E-scheme).
        radius: R.
        pt_min: jets below are left out, GeV.

    Returns:
        The jets, in each event by falling pt, with tag 0.

    Raises:
        MissingExtraError: when fastjet is not installed.
    """
    fastjet = require("fastjet")
    # a library prints nothing; the wrapped ClusterSequence hides this switch, its relative does not
    fastjet.ClusterSequenceArea.set_fastjet_banner_stream(None)
    momenta = {"px": particles.px, "py": particles.py, "pz": particles.pz, "E": particles.e}
    events = ak.unflatten(ak.zip(momenta, with_name="Momentum4D"), particles.counts)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    found = fastjet.ClusterSequence(events, definition).inclusive_jets(pt_min)
    row = np.repeat(np.arange(particles.n_events), ak.to_numpy(ak.num(found)))
    px, py, pz, e = (ak.to_numpy(ak.flatten(found[name])) for name in ("px", "py", "pz", "E"))
    jets = Particles(particles.n_events, row, px, py, pz, e, np.zeros(len(row), dtype=np.int64))
    return jets[jets.by_pt()]
