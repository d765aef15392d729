"""Each section of the report: from its data to paragraphs, tables and charts."""
