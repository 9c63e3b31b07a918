"""Environments of their own for models that pin other versions than the window runs on: made, checked, started."""
