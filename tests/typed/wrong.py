"""A program with errors that mypy and pyright find only if the installed package has types."""

import fusionser
from fusionser import Model

model: Model = fusionser.load_model(3)
answer: int = model.card.classes
