"""`overseen verify`: whether every promise about a database was kept, for people and programs."""
