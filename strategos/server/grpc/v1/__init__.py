"""Stubs of the package `strategos.v1`, made by `proto/generate.py`. Not to be edited."""
