"""One of everything that a package can add to fusionser, each as short as it can be."""
