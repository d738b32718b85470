"""What a stack is made of: the graph and its order. No I/O."""
