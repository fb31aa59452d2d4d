"""A model as a web service.

- `limits`: what a client may ask for,
- `worker`, `pool`: processes that decode and predict, and the queue in front of them,
- `service`: both together,
- `app`: the paths, `stream`: samples that arrive piece by piece,
- `guards`: what is refused before a path is reached, `measures`: what is counted.
"""
