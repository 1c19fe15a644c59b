"""From a backend's exact numbers to what a device would measure: trajectories, readout error and shots."""

from setfit_quantum.measurement.abilities import check_noise
from setfit_quantum.measurement.measure import DEFAULT_TRAJECTORIES, measure

__all__ = ["DEFAULT_TRAJECTORIES", "check_noise", "measure"]
