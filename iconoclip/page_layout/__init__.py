"""The layout of a page of a book: kinds of pages and boxes, how boxes are made from the maps of a model, and
how they are measured. Training and segmentation both use this code, so a model is tuned for the code that
later reads its output."""
