"""Speed against librosa, openSMILE and the floor: `python -m benchmarks`, or `make bench`."""
