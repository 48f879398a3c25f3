"""What is judged about data, a file a part of it; each function is a function of what was inspected alone."""
