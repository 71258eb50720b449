"""The pipeline: plan, embed, reduce, publish, explore; each room imports only those before it."""
