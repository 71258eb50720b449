"""Views of an atlas for people: the report, the map and the data card."""
