"""Feed-forward networks with at most one hidden layer."""
