"""The HTTP client of the harvest: rate-limited, with a User-Agent that states the contact, and
never to private addresses.
"""
