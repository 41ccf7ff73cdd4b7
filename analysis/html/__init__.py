"""The report's page: sections, data of single runs, images and templates."""
