"""Plan: read every part once, and write down where each shard starts."""
