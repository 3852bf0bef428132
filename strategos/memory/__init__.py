"""Replay memory: rings of compact examples, prioritised draws, n-step windows, shards on disk, augmentation.

AlphaZero learns from a ring, whose checkpoints are shards, under the symmetries of its game; PPO needs no
memory. `n_step`, and a ring in one file (`Ring.save`, `Ring.load`), are for learners that go on from stored
transitions: none of the learners here does so yet.

NumPy and Numba only. An example is one element of any structured dtype; what its fields mean is the
learner's business.
"""
