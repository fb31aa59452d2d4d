"""Cards of the corpora: licence, citation, where to get each, counts and label maps. Never audio."""
