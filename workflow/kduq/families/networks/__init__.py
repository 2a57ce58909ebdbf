"""Feed-forward networks of at most one hidden layer."""
