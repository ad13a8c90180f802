"""How fast the app is, next to its peers: `python -m benchmarks` (see README.md)."""
