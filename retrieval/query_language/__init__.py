"""The query language of the search box: what a text says, as parts, without any index.

    "exact phrase"   -word   -"phrase"   lion OR eagle   lion | eagle   (red lion) OR eagle
    creator:Dürer    title:"the wave"    year:1480..1500    notation:25F   ...

Everything else is plain words. No text is an error: what cannot be read as an operator is read as words, and
a hint says so.
"""
