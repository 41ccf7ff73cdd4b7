"""The report's page: sections, data of single runs, pictures and templates."""
