"""Rows from the tables of institutions, whatever program wrote them.

CSV in any encoding and with any separator, workbooks (Excel, LibreOffice), JSON, JSON Lines, Parquet, and
records in LIDO or MODS. A row is a mapping of column names to values. Nothing is known here of what a column
means: see data_prep.sources.table_config and data_prep.sources.tables.guess.
"""
