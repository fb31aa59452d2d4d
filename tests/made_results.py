"""Results whose scores are chosen, for what is computed from results."""

import numpy as np

from fusionser.results import ClassResult, FoldResult, ProtocolStamp, Result, Scores
from fusionser.studies.factorial import cell_label

SPEAKERS = [f"demo/s{place:02d}" for place in range(24)]


def made(cell, classifier, uar, protocol="speaker-kfold", confusions=None, genders=None):
    """A result whose speakers have the UAR given, and a WAR a tenth above."""
    plain = Scores(war=float(np.mean(uar)) + 0.1, uar=float(np.mean(uar)), macro_f1=float(np.mean(uar)))
    return Result(
        corpora=("demo",),
        rows=240,
        speaker_count=24,
        classes=("angry", "calm"),
        protocol=ProtocolStamp(name=protocol, settings={}, setting="inductive", selection="fixed"),
        features=[],
        features_name=cell_label(*cell),
        feature_count=1,
        classifier=classifier,
        classifier_settings={},
        pooled=plain,
        intervals=None,
        per_class={
            name: ClassResult(precision=0.5, recall=float(np.mean(uar)) + shift, f1=0.5, support=120)
            for name, shift in (("angry", -0.1), ("calm", 0.1))
        },
        confusion=[[1, 0], [0, 1]],
        folds=[
            FoldResult(
                name="1",
                train_rows=1,
                test_rows=1,
                test_speakers=24,
                scores=plain,
                shared_speakers=0,
                shared_sources=0,
                shared_audio=0,
                shared_statements=0,
                fit_seconds=0.0,
            )
        ],
        speakers={name: Scores(war=one + 0.1, uar=one, macro_f1=one) for name, one in zip(SPEAKERS, uar, strict=True)},
        speaker_confusions=confusions or {},
        genders=genders or {},
        seed=0,
        seconds={"evaluation": 1.0},
        provenance={"command": "", "commit": "", "versions": {}, "machine": "", "date": ""},
    )
