"""The HTML pages: templates, translations, static files, and the data for the templates."""
