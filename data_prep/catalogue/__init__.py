"""The catalogue: what a collection offers, image by image, before any image is downloaded. A Parquet file."""
