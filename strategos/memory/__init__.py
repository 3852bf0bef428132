"""Replay memory: rings of compact examples, prioritised draws, n-step windows, shards on disk, augmentation.

NumPy and Numba only. An example is one element of any structured dtype; what its fields mean is the
learner's business.
"""
