"""Standard environments around the engine: Gymnasium, Gymnasium vector, PettingZoo parallel and AEC.

Adapters only: rules live in `strategos.games`, batches in `strategos.engine`, and opponents
come in from above, as objects that act.
"""

from strategos.envs import blob_aec, generals_parallel
from strategos.envs.blob_env import BlobEnv
from strategos.envs.generals_env import GeneralsEnv
from strategos.envs.vector_env import GeneralsVectorEnv

__all__ = ["BlobEnv", "GeneralsEnv", "GeneralsVectorEnv", "blob_aec", "generals_parallel"]
