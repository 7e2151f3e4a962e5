"""Where vectors are held and searched: one interface, several backends."""
