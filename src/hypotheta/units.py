"""Units of the package: GeV for energies, pb for cross sections, fb⁻¹ for luminosities, rad for angles.

Multiply by a unit to enter the package's units, divide to leave them: ``60_000 * MeV == 60 * GeV``.
"""

__all__ = ["GeV", "MeV", "TeV", "fb", "inv_fb", "pb"]

GeV = 1.0
MeV = 1e-3
TeV = 1e3

pb = 1.0
fb = 1e-3

#: expected events = luminosity · cross section: 1 fb⁻¹ is 1000 events a picobarn
inv_fb = 1000.0
