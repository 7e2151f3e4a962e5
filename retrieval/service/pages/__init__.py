"""The HTML pages: templates, translations, static files, and what the templates show."""
