"""The training loop: configuration, rollouts, checkpoints, metrics, dashboard."""
