"""The `iconoclip` command, the formats on disk, and the code that several stages share."""
