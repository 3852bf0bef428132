"""Torch modules that turn observations into policies and values. No game rules, no learning."""
