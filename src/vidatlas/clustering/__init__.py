"""Clustering: k-means and its backends, the number of clusters, Ward, Deep Embedded Clustering, quality."""
