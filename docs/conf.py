"""How Sphinx builds the documentation site (`make docs`).

The source directory is the root of the repository, so that README.md, ARCHITECTURE.md and the guides keep the
links that also work in a checkout; `include_patterns` names the documents.
"""

project = "iconoclip"
author = "the iconoclip authors"
copyright = "the iconoclip authors; Apache License 2.0"
html_title = "iconoclip"

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "slurm/README.md"]
exclude_patterns = [".*", "build", "demo", "dist", "runs"]

# Headings down to this level can be linked as `page.md#heading`, as on a code host.
myst_heading_anchors = 4

html_theme = "furo"
html_extra_path = ["site"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#7d1f2d", "color-brand-content": "#7d1f2d"},
    "dark_css_variables": {"color-brand-primary": "#e8a0a9", "color-brand-content": "#e8a0a9"},
}
