"""Asking servers: politely, truthfully, and never an address inside."""
