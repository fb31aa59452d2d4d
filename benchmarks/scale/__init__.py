"""How fusionser scales over workers and rows: `python -m benchmarks.scale`, one module for each part."""
