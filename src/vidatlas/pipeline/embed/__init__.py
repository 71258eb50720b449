"""Embed: a vector for every record, committed shard by shard."""
