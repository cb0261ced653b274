"""Problems whose best classifier is known: the yardstick of the documentation and of the tests.

Which one do I use? `GaussianOnFlat` for one signal-kind parameter, the toy of Baldi et al., EPJC 76 (2016) 235,
arXiv:1601.07913, section 3; `ShiftedGaussianOnFlat` for a nuisance beside it that moves the signal; `InfernoToy` for
two nuisances that move the background, and what they cost a measurement of the signal (arXiv:1806.04743).
"""

from hypotheta.exact.gaussian import GaussianOnFlat, ShiftedGaussianOnFlat
from hypotheta.exact.inferno import InfernoToy, Latents

__all__ = ["GaussianOnFlat", "InfernoToy", "Latents", "ShiftedGaussianOnFlat"]
