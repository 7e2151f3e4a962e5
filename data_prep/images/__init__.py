"""From the bytes of a stranger to the JPEG that is stored, in processes of their own."""
