"""hypotheta: from ntuples to limits with classifiers that take the hypothesis θ as an input.

The rooms, in the order in which the data walk through them: `catalogue`, `ntuples`, `events`, `selection`,
`features`, `dataset`, `classifiers`, `diagnostics`, `significance`, `statistics`, `plots`, `report`.
`import hypotheta` itself stays light; import the room you need.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
