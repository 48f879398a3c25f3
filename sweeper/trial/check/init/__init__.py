"""Where training starts: symmetry, scale, dead units, the last bias, the first loss."""
