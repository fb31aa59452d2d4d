"""Words, tables, pictures and pages: pure functions of results, and the only place where sentences are made.

- `fusionser.reporting.words`: facts as sentences,
- `fusionser.reporting.page`: pages of a result and of a study,
- `fusionser.reporting.ablation`, `html`, `reproduction`: pages of ablations and of published results,
- `fusionser.reporting.figures`: pictures.
"""
