"""Tables of reports: as data in one place, and written in several formats.

- `fusionser.reporting.tables.table`: what a table is,
- `fusionser.reporting.tables.result`, `study`, `ablation`, `reproduction`, `stress`, `over_time`, `audit`: those of
  each report,
- `fusionser.reporting.tables.text_formats`, `latex`: the formats,
- `fusionser.reporting.tables.files`: the files of a report.
"""

from fusionser.reporting.tables.table import Cell, Column, Row, Table, TableFormat

__all__ = ["Cell", "Column", "Row", "Table", "TableFormat"]
