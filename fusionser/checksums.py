"""Checksums of what is kept in the cache, so that damage to it is noticed and not computed with."""

import xxhash

__all__ = ["with_checksum", "without_checksum"]

SIZE = 8


def _checksum(content: bytes, name: str) -> bytes:
    digest = xxhash.xxh3_64(name.encode())
    digest.update(content)
    return digest.digest()


def with_checksum(content: bytes, name: str) -> bytes:
    """Return content that ends in a checksum of it and of the name under which it is kept.

    Examples
    --------
    >>> len(with_checksum(b"content", "name"))
    15
    """
    return content + _checksum(content, name)


def without_checksum(content: bytes, name: str) -> bytes:
    """Return what was given to `with_checksum`.

    Raises
    ------
    ValueError
        If the content or its name was changed since.

    Examples
    --------
    >>> without_checksum(with_checksum(b"content", "name"), "name")
    b'content'
    """
    kept, found = content[:-SIZE], content[-SIZE:]
    if found != _checksum(kept, name):
        raise ValueError(f"{name}: damaged")
    return kept
