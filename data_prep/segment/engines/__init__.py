"""The engines that find pictures on pages, behind one interface; tests hold all of them to one behaviour."""
