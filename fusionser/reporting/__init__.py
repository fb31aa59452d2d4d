"""Words, tables, figures and pages: pure functions of results, and the only package that makes sentences.

- `fusionser.reporting.words`: facts as sentences,
- `fusionser.reporting.page`: pages of a result and of a study,
- `fusionser.reporting.ablation`, `html`, `reproduction`: pages of ablations and of published results,
- `fusionser.reporting.figures`: figures.
"""
