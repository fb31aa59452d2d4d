"""eNTERFACE'05: ``subject 1/anger/sentence 1/s1_an_1.avi``, films of subjects who react to a story.

Some published names have mistakes: those of subject 11 say 12, some of subject 3 say ``s_3``, one ends in ``3avi``. So
the subject is taken from the folder, if there is one. Subject 6 has one long film for each emotion, without sentences;
it is left out.
"""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Enterface05"]

NAME = re.compile(r"s_?(\d+)_([a-z]{2})_([1-5])(?:avi)?")
SUBJECT = re.compile(r"subject (\d+)")


class Enterface05(Corpus):
    """Films of eNTERFACE'05: subjects of 14 nations who react in English, each with five sentences in six emotions."""

    name = "enterface05"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Enterface05().parse(PurePath("subject 11/anger/sentence 2/s12_an_2.avi"))
        >>> record["id"], record["speaker"], record["emotion"], record["statement"]
        ('s11_an_2', 'enterface05/11', 'angry', 'an2')
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        subjects = [found[1] for part in path.parts[:-1] if (found := SUBJECT.fullmatch(part.lower()))]
        subject, label, sentence = subjects[-1] if subjects else match[1], match[2], match[3]
        return self._record(f"s{subject}_{label}_{sentence}", subject, label, statement=label + sentence)
