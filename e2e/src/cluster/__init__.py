"""The clusters that Tributary is tried on: made, looked after and taken away."""
