"""What enters the network: finite, in range, of the right layout and scale."""
