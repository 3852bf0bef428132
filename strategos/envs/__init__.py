"""Standard environments around the engine: Gymnasium, Gymnasium vector and PettingZoo parallel.

Adapters only: rules live in `strategos.games`, batches in `strategos.engine`, and opponents
come in from above, as objects that act.
"""

from strategos.envs import generals_parallel
from strategos.envs.generals_env import GeneralsEnv
from strategos.envs.vector_env import GeneralsVectorEnv

__all__ = ["GeneralsEnv", "GeneralsVectorEnv", "generals_parallel"]
