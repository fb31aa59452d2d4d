"""Feature sets of other programs, and embeddings of pretrained networks, as blocks.

Each needs a package that is installed with an extra of fusionser, and imports it when it is used.
"""
