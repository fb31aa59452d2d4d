"""Studies, ablations and reproductions: lists of cells, and one runner for all of them.

- `fusionser.studies.study`: the cells of a recipe
- `fusionser.studies.ablation`: the cells of a design, and the effects estimated from them
- `fusionser.studies.reproduce`: the cells of a published result
- `fusionser.studies.runner`: runs cells, stores each result, and resumes
"""
