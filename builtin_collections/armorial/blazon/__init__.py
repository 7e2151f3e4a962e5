"""Blazons: the exact words for a coat of arms, in three languages.

Each language is a lexicon (tables of words with gender, number and case) and a small grammar.
Distinct arms have distinct blazons in every language.
"""
