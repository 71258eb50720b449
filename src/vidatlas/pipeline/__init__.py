"""Plan, embed, reduce, publish: the only place where stages meet."""
