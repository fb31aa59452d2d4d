"""The suffixes of recordings."""

__all__ = ["AUDIO_SUFFIXES", "FOREIGN_SUFFIXES", "LOSSLESS_SUFFIXES"]

LOSSLESS_SUFFIXES = (
    ".wav", ".flac", ".aiff", ".aif", ".aifc", ".w64", ".rf64", ".caf", ".au", ".snd", ".sph", ".nist", ".voc",
)  # fmt: skip

FOREIGN_SUFFIXES = (
    ".m4a", ".aac", ".wma", ".amr", ".3gp", ".webm", ".mp4", ".m4b", ".mov", ".mkv", ".mka", ".ac3", ".avi",
)  # fmt: skip
"""Those that ffmpeg decodes, and libsndfile does not."""

AUDIO_SUFFIXES = (*LOSSLESS_SUFFIXES, ".ogg", ".oga", ".opus", ".mp3", *FOREIGN_SUFFIXES)
"""In order of preference between two files of one recording."""
