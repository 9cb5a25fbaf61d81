"""The report on a study: statistics, figures, tables, and a document with its renderers."""
