"""What a classifier learns from: features with θ, class and weight, and how background gets a θ.

Background has no true value of a signal-kind parameter. In a `Dataset` those columns are NaN; `ThetaPrior` fills
them with the signal's own distribution, afresh whenever it is asked. `training_weights` balances the classes at
every grid point of the event-kind parameters, so that θ alone says nothing about the class. Physics weights stay
in the `Dataset`; training weights are a separate array.
"""

from hypotheta.dataset.events import Dataset, theta_points
from hypotheta.dataset.prior import ThetaPrior
from hypotheta.dataset.weights import NegativeWeights, training_weights

__all__ = ["Dataset", "NegativeWeights", "ThetaPrior", "theta_points", "training_weights"]
