"""Many games at once: `Batch` steps and observes them, `planes` makes float planes for a net."""

from strategos.engine.batch import AUTORESET_MODES, Batch, Observation

__all__ = ["AUTORESET_MODES", "Batch", "Observation"]
