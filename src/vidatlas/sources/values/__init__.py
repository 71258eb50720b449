"""Values of a cell: markup, placeholders, numbers, names of categories, typed columns, links."""
