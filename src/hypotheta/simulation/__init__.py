"""Simulation: Pythia 8 → FastJet → parametric detector → the columns of a NanoAOD-named ntuple.

`generate` makes a sample; it needs the extra ``simulation`` (pythia8mc, fastjet). The detector's formulas, among them
`btag_efficiency`, need neither.
"""

from hypotheta.simulation.detector import DetectorConfig, btag_efficiency
from hypotheta.simulation.generate import GeneratedSample, generate
from hypotheta.simulation.leshouches import LesHouchesFile

__all__ = ["DetectorConfig", "GeneratedSample", "LesHouchesFile", "btag_efficiency", "generate"]
