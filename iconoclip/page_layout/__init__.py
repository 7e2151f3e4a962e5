"""What is on a page of a book: kinds of pages and boxes, from the maps of a model to boxes, and how they are
measured. Training and segmentation both use this, so that a model is tuned for what later reads it."""
