"""Studies, ablations and reproductions: three ways to make a list of cells, and one runner of cells.

- `fusionser.studies.study`: the cells of a recipe,
- `fusionser.studies.ablation`: the cells of a design, and the effects that they show,
- `fusionser.studies.reproduce`: the cells of a published result,
- `fusionser.studies.runner`: runs cells, keeps each, and resumes.
"""
