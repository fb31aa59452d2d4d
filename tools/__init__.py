"""Commands that write files of the repository from others; tests check that what they wrote is current."""
