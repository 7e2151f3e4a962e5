"""Rights statements as people write them: addresses, names in many languages, and the words around them."""
