"""What is written on a page, and where (ALTO, hOCR, PAGE XML, annotations, OCR); captions of its pictures."""
